// URLs (RFC 3986) and their parts.
#pragma once

#include <string>
#include <string_view>

namespace cairn {

// Everything but letters, digits and "-._~" as %XX: as it goes into a query or a form.
std::string percent_encoded(std::string_view text);

// Scheme, host and port, each as it is compared: "https://Hub.example/v2/" is "https://hub.example:443". Both throw
// Errc::corrupt for what is no URL.
std::string origin_of(const std::string& url);
// What a Location or Link header of an answer from `base` means.
std::string resolved_url(const std::string& base, const std::string& location);

}  // namespace cairn
