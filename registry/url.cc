#include "registry/url.h"

#include <curl/curl.h>

#include <memory>

#include "core/util/ascii.h"
#include "core/util/error.h"

namespace cairn {

std::string percent_encoded(std::string_view text) {
  constexpr char kHex[] = "0123456789ABCDEF";
  constexpr std::string_view kPlain = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~";
  std::string out;
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    if (kPlain.find(c) != std::string_view::npos)
      out += c;
    else
      out += {'%', kHex[byte >> 4], kHex[byte & 15]};
  }
  return out;
}

using ParsedUrl = std::unique_ptr<CURLU, decltype(&curl_url_cleanup)>;

static void parse_into(const ParsedUrl& parsed, const std::string& url) {
  if (parsed == nullptr || curl_url_set(parsed.get(), CURLUPART_URL, url.c_str(), CURLU_URLENCODE) != CURLUE_OK)
    throw Error(Errc::corrupt, "reading the URL '" + printable(url, 200) + "': it is none");
}

static std::string part_of(const ParsedUrl& parsed, CURLUPart part) {
  char* text = nullptr;
  if (curl_url_get(parsed.get(), part, &text, CURLU_DEFAULT_PORT) != CURLUE_OK) return "";
  const std::unique_ptr<char, decltype(&curl_free)> own(text, curl_free);
  return text;
}

std::string origin_of(const std::string& url) {
  const ParsedUrl parsed(curl_url(), curl_url_cleanup);
  parse_into(parsed, url);
  return lower_case(part_of(parsed, CURLUPART_SCHEME) + "://" + part_of(parsed, CURLUPART_HOST)) + ":" +
         part_of(parsed, CURLUPART_PORT);
}

std::string resolved_url(const std::string& base, const std::string& location) {
  const ParsedUrl parsed(curl_url(), curl_url_cleanup);
  parse_into(parsed, base);
  parse_into(parsed, location);
  char* text = nullptr;
  if (curl_url_get(parsed.get(), CURLUPART_URL, &text, 0) != CURLUE_OK)
    throw Error(Errc::corrupt, "reading the URL '" + printable(location, 200) + "': it leads nowhere");
  const std::unique_ptr<char, decltype(&curl_free)> own(text, curl_free);
  return text;
}

}  // namespace cairn
