#include "registry/error_body.h"

#include <curl/curl.h>

#include <algorithm>
#include <charconv>
#include <set>
#include <vector>

#include "core/json/go_struct.h"
#include "core/util/ascii.h"

namespace cairn {
namespace {

using std::chrono::seconds;

constexpr size_t kMostRead = 64 << 10, kLongestText = 300, kLongestDetail = 160;
constexpr size_t kMostErrors = 4;  // that are told one by one
constexpr seconds kLongestWait{24 * 60 * 60};

struct OneError {
  std::string code, message, detail;
};

// {"Tag":"x"} as it is, a text without its quotes; nothing of what says nothing.
std::string detail_text(std::string_view raw) {
  using go_json::Kind;
  const auto kind = go_json::kind_of(raw);
  if (kind == Kind::null) return "";
  const std::string text = kind == Kind::string ? go_json::unquote(raw) : go_json::compact(raw);
  return text == "{}" || text == "[]" ? "" : text;
}

std::string text_of(std::string_view raw) {
  return go_json::kind_of(raw) == go_json::Kind::string ? go_json::unquote(raw) : detail_text(raw);
}

OneError read_error(std::string_view raw) {
  if (go_json::kind_of(raw) != go_json::Kind::object) return {{}, text_of(raw), {}};
  OneError out;
  for (const auto& member : go_json::members(raw)) {
    if (member.key == "code") out.code = text_of(member.raw);
    if (member.key == "message") out.message = text_of(member.raw);
    if (member.key == "detail") out.detail = detail_text(member.raw);
  }
  return out;
}

// {"errors":[…]} as registries say it; {"details":…}, {"error":…}, {"message":…} as others do.
std::vector<OneError> errors_in(std::string_view body) {
  std::vector<OneError> out;
  try {
    go_json::check(body);
    body.remove_prefix(body.find_first_not_of(" \t\r\n"));
    for (const auto& member : go_json::members(body)) {
      const auto kind = go_json::kind_of(member.raw);
      if (member.key == "errors" && kind == go_json::Kind::array)
        for (const auto element : go_json::elements(member.raw)) out.push_back(read_error(element));
      else if (member.key == "errors" || member.key == "error" || member.key == "details" || member.key == "message" ||
               member.key == "error_description")
        out.push_back(read_error(member.raw));
    }
  } catch (const Error&) {  // it is no JSON
    out.clear();
  }
  std::erase_if(out, [](const OneError& one) { return one.code.empty() && one.message.empty() && one.detail.empty(); });
  return out;
}

bool has_prefix(std::string_view text, std::string_view prefix) {
  return text.size() >= prefix.size() &&
         std::equal(prefix.begin(), prefix.end(), text.begin(), [](char a, char b) { return a == lower_case(b); });
}
size_t find_tag(std::string_view text, std::string_view tag, size_t from = 0) {
  for (size_t at = from; (at = text.find('<', at)) != std::string_view::npos; ++at)
    if (has_prefix(text.substr(at), tag)) return at;
  return std::string_view::npos;
}

// Words with one blank between them.
std::string words(std::string_view text) {
  std::string out;
  bool apart = false;
  for (const char c : text) {
    const bool space = is_blank(c);
    if (!space) out += (apart && !out.empty() ? " " : "") + std::string(1, c);
    apart = space;
  }
  return out;
}

std::string title_of(std::string_view html) {
  const size_t tag = find_tag(html, "<title"), open = tag == html.npos ? tag : html.find('>', tag);
  if (open == html.npos) return "";
  const size_t close = find_tag(html, "</title", open);
  return close == html.npos ? "" : words(html.substr(open + 1, close - open - 1));
}

const char* phrase_of(int status) {
  switch (status) {
    case 400:
      return "the request was not understood";
    case 401:
      return "authentication is required";
    case 403:
      return "access is denied";
    case 404:
      return "there is no such thing";
    case 405:
      return "it does not do that";
    case 413:
      return "it is too large for it";
    case 429:
      return "there were too many requests";
    case 500:
      return "it failed";
    case 502:
    case 503:
    case 504:
      return "it is not available";
    default:
      return "no reason is given";
  }
}

// A line for a body that is no JSON.
std::string said_otherwise(const HttpRefusal& refusal, std::string_view body) {
  const bool html = refusal.content_type.find("html") != std::string_view::npos ||
                    find_tag(body, "<html") != std::string_view::npos ||
                    has_prefix(words(body.substr(0, 64)), "<!doctype");
  std::string said = html ? title_of(body) : words(body.substr(0, 4 * kLongestText));
  return said.empty() ? phrase_of(refusal.status) : said;
}

std::string joined(const std::vector<OneError>& errors, int status) {
  std::string out;
  for (size_t i = 0; i < std::min(errors.size(), kMostErrors); ++i) {
    const auto& one = errors[i];
    out += i == 0 ? "" : "; ";
    out += printable(words(!one.message.empty()  ? one.message
                           : !one.detail.empty() ? one.detail
                                                 : phrase_of(status)),
                     kLongestText);
    if (!one.detail.empty() && !one.message.empty() && one.detail != one.message)
      out += ": " + printable(words(one.detail), kLongestDetail);
  }
  return errors.size() > kMostErrors ? out + "; and " + std::to_string(errors.size() - kMostErrors) + " more" : out;
}

std::string with_codes(const std::string& text, int status, const std::vector<OneError>& errors) {
  std::string codes;
  std::set<std::string> told;
  for (const auto& one : errors)
    if (!one.code.empty() && told.size() < kMostErrors && told.insert(one.code).second)
      codes += ", " + printable(one.code, 40);
  return text + " (HTTP " + std::to_string(status) + codes + ')';
}

Errc errc_of(int status, std::string_view code) {
  if (code == "UNAUTHORIZED" || code == "DENIED" || status == 401 || status == 403) return Errc::io;
  if (code.ends_with("_UNKNOWN") || code.ends_with("NOT_FOUND") || status == 404) return Errc::not_found;
  if (code == "UNSUPPORTED" || status == 405 || status == 501) return Errc::unsupported;
  return code.ends_with("_INVALID") || status == 400 ? Errc::invalid : Errc::io;
}

std::optional<seconds> wait_of(const std::string& header, std::chrono::system_clock::time_point now) {
  const std::string text = words(header);
  if (text.empty()) return std::nullopt;
  int64_t count = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), count);
  if (end == text.data() + text.size() && text[0] != '-')
    return error == std::errc() ? std::min(seconds(count), kLongestWait) : kLongestWait;
  const time_t date = ::curl_getdate(text.c_str(), nullptr);  // of any year: not within what a time_point of now holds
  if (date < 0) return std::nullopt;
  const auto today = std::chrono::floor<seconds>(now.time_since_epoch());
  return std::clamp(seconds(date) - today, seconds(0), kLongestWait);
}

}  // namespace

RegistryFault fault_of(const HttpRefusal& refusal, std::chrono::system_clock::time_point now) {
  const auto body = refusal.body.substr(0, kMostRead);
  const int status = refusal.status;
  const auto errors = errors_in(body);
  RegistryFault out;
  if (!errors.empty()) out.registry_code = printable(errors.front().code, 80);
  out.code = errc_of(status, out.registry_code);
  out.denied = status == 401 || status == 403 || out.registry_code == "UNAUTHORIZED" || out.registry_code == "DENIED";
  const std::string said =
      errors.empty() ? printable(said_otherwise(refusal, body), kLongestText) : joined(errors, status);
  out.text = with_codes(said, status, errors);
  out.retryable = status == 408 || status == 425 || status == 429 || (status >= 500 && status != 501 && status != 505);
  out.retry_after = wait_of(std::string(refusal.retry_after), now);
  return out;
}

}  // namespace cairn
