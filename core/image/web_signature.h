// Signatures as JSON Web Signature describes them, of the kinds that libtrust makes: ECDSA and RSA keys that come along
// with what they signed.
#pragma once

#include <string>
#include <string_view>

namespace cairn {

// Base64 of the URL alphabet, unpadded. Errc::corrupt.
std::string from_base64url(std::string_view text);
void append_base64url(std::string& out, std::string_view bytes);

// That the key in `header_json` ({"alg":"ES256","jwk":{…}}, or "x5c" with a chain of certificates, of which the first
// counts) made `signature` (raw: r and s, or RSA's) of `message`. Who holds the key is not asked. Errc::corrupt.
void verify_web_signature(std::string_view header_json, std::string_view message, std::string_view signature);

}  // namespace cairn
