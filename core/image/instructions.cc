#include "core/image/instructions.h"

#include <algorithm>
#include <charconv>

#include "core/image/instruction_line.h"
#include "core/image/word_expansion.h"
#include "core/util/ascii.h"
#include "core/util/error.h"

namespace cairn {
namespace {

[[noreturn]] void refuse(const std::string& why) { throw Error(Errc::invalid, why); }

using Pairs = std::vector<std::pair<std::string, std::string>>;

class Builder {
 public:
  explicit Builder(RunConfig& config) : config_(config) {}
  void apply(const InstructionLine& line);

 private:
  using Handler = void (Builder::*)(const InstructionLine&);
  static Handler handler_of(const std::string& name);

  std::string expand(std::string_view word) const {
    return expand_word(word, config_.env.value_or(std::vector<std::string>()));
  }
  Pairs pairs(const InstructionLine& line) const;
  std::vector<std::string> command(const std::string& rest) const;

  void cmd(const InstructionLine& line);
  void entrypoint(const InstructionLine& line);
  void env(const InstructionLine& line);
  void expose(const InstructionLine& line);
  void healthcheck(const InstructionLine& line);
  void label(const InstructionLine& line);
  void onbuild(const InstructionLine& line);
  void shell(const InstructionLine& line);
  void stopsignal(const InstructionLine& line);
  void user(const InstructionLine& line);
  void volume(const InstructionLine& line);
  void workdir(const InstructionLine& line);
  void expose_ports(const std::string& text);

  RunConfig& config_;
  bool cmd_set_ = false;
};

Builder::Handler Builder::handler_of(const std::string& name) {
  static constexpr std::pair<const char*, Handler> known[] = {{"CMD", &Builder::cmd},
                                                              {"ENTRYPOINT", &Builder::entrypoint},
                                                              {"ENV", &Builder::env},
                                                              {"EXPOSE", &Builder::expose},
                                                              {"HEALTHCHECK", &Builder::healthcheck},
                                                              {"LABEL", &Builder::label},
                                                              {"ONBUILD", &Builder::onbuild},
                                                              {"SHELL", &Builder::shell},
                                                              {"STOPSIGNAL", &Builder::stopsignal},
                                                              {"USER", &Builder::user},
                                                              {"VOLUME", &Builder::volume},
                                                              {"WORKDIR", &Builder::workdir}};
  std::string names;
  for (const auto& [one, handler] : known) {
    if (name == one) return handler;
    names += (names.empty() ? "" : ", ") + std::string(one);
  }
  refuse("'" + printable(name, 40) + "' cannot change an image; what can is " + names);
}

void Builder::apply(const InstructionLine& line) {
  const Handler handler = handler_of(line.name);
  if (line.name != "HEALTHCHECK" && !line.flags.empty())
    refuse("it has no flag '--" + printable(line.flags.front().first, 80) + "'");
  (this->*handler)(line);
}

// Words for a program as they are, or for a shell to read.
std::vector<std::string> Builder::command(const std::string& rest) const {
  if (auto words = json_words(rest)) return *std::move(words);
  if (rest.empty()) return {};
  std::vector<std::string> out = config_.shell.value.value_or(std::vector<std::string>());
  if (out.empty()) out = {"/bin/sh", "-c"};
  out.push_back(rest);
  return out;
}

void Builder::cmd(const InstructionLine& line) {
  config_.cmd.value = command(line.rest);
  config_.args_escaped = config_.cmd.value->empty() && config_.args_escaped;
  cmd_set_ = cmd_set_ || !config_.cmd.value->empty();
}

void Builder::entrypoint(const InstructionLine& line) {
  config_.entrypoint.value = command(line.rest);
  config_.args_escaped = config_.entrypoint.value->empty() && config_.args_escaped;
  if (!cmd_set_) config_.cmd.value.reset();  // it was meant for another program
}

// "NAME=VALUE …", or as it was at first "NAME VALUE".
Pairs Builder::pairs(const InstructionLine& line) const {
  const auto words = split_words(line.rest);
  if (words.empty()) refuse("it needs NAME=VALUE");
  Pairs out;
  if (words[0].find('=') == std::string::npos) {
    const auto name_end = std::find_if(line.rest.begin(), line.rest.end(), is_blank);
    if (name_end == line.rest.end()) refuse("it needs a value: NAME=VALUE");
    out.emplace_back(std::string(line.rest.begin(), name_end), without_blanks_around({name_end, line.rest.end()}));
  } else {
    for (const auto& word : words) {
      const size_t equals = word.find('=');
      if (equals == std::string::npos) refuse("'" + printable(word, 80) + "' is not of the form NAME=VALUE");
      out.emplace_back(word.substr(0, equals), word.substr(equals + 1));
    }
  }
  for (auto& [name, value] : out) {
    if (name.empty()) refuse("a name is empty");
    name = expand(name), value = expand(value);
  }
  return out;
}

void Builder::env(const InstructionLine& line) {
  const Pairs all = pairs(line);
  if (!config_.env) config_.env.emplace();
  for (const auto& [name, value] : all) {
    const std::string prefix = name + "=";
    const auto known =
        std::find_if(config_.env->begin(), config_.env->end(),
                     [&, &wanted = name](const std::string& one) { return one == wanted || one.starts_with(prefix); });
    if (known == config_.env->end())
      config_.env->push_back(prefix + value);
    else
      *known = prefix + value;
  }
}

void Builder::label(const InstructionLine& line) {
  const Pairs all = pairs(line);
  if (!config_.labels) config_.labels.emplace();
  for (const auto& [name, value] : all) config_.labels->insert_or_assign(name, value);
}

// "80", "80/udp", "8000-8010/tcp".
void Builder::expose_ports(const std::string& text) {
  const size_t slash = text.find('/');
  std::string ports = text.substr(0, slash), protocol = slash == text.npos ? "tcp" : lower_case(text.substr(slash + 1));
  if (protocol.empty()) protocol = "tcp";
  const size_t dash = ports.find('-');
  const auto number = [&](const std::string& digits) {
    if (digits.empty() || digits.size() > 5 || digits.find_first_not_of("0123456789") != std::string::npos ||
        std::stoul(digits) > 65535)
      refuse("'" + printable(text, 80) + "' is no port, such as 80, 53/udp or 8000-8010");
    return std::stoul(digits);
  };
  const auto first = number(ports.substr(0, dash)), last = dash == ports.npos ? first : number(ports.substr(dash + 1));
  if (last < first || (protocol != "tcp" && protocol != "udp" && protocol != "sctp"))
    refuse("'" + printable(text, 80) + "' is no port, such as 80, 53/udp or 8000-8010");
  if (!config_.exposed_ports) config_.exposed_ports.emplace();
  for (auto port = first; port <= last; ++port) config_.exposed_ports->insert(std::to_string(port) + "/" + protocol);
}

void Builder::expose(const InstructionLine& line) {
  const auto words = blank_separated(line.rest);
  if (words.empty()) refuse("it needs a port");
  for (const auto& word : words)
    for (const auto& port : blank_separated(expand(word))) expose_ports(port);
}

void set_health_flag(HealthConfig& health, const std::string& name, const std::string& value) {
  if (value.empty()) return;
  if (name == "retries") {
    if (value.size() > 9 || value.find_first_not_of("0123456789") != std::string::npos || std::stol(value) < 1)
      refuse("--retries must be a number, and at least 1");
    health.retries = std::stol(value);
    return;
  }
  int64_t* const time = name == "interval"         ? &health.interval
                        : name == "timeout"        ? &health.timeout
                        : name == "start-period"   ? &health.start_period
                        : name == "start-interval" ? &health.start_interval
                                                   : nullptr;
  if (time == nullptr) refuse("it has no flag '--" + printable(name, 80) + "'");
  *time = parse_duration(value);
  if (*time != 0 && *time < 1'000'000) refuse("--" + name + " cannot be less than 1ms");
}

void Builder::healthcheck(const InstructionLine& line) {
  const auto type_end = std::find_if(line.rest.begin(), line.rest.end(), is_blank);
  const std::string type = upper_case({line.rest.begin(), type_end});
  const std::string rest(without_blanks_around({type_end, line.rest.end()}));
  HealthConfig health;
  if (type == "NONE") {
    if (!rest.empty()) refuse("NONE takes no arguments");
    health.test = {{"NONE"}};
  } else if (type == "CMD") {
    auto words = json_words(rest);
    health.test = {{words ? "CMD" : "CMD-SHELL"}};
    if (!words && !rest.empty()) words = {{rest}};
    if (!words || words->empty()) refuse("a command is missing after CMD");
    health.test->insert(health.test->end(), words->begin(), words->end());
  } else {
    refuse("it begins with NONE or CMD");
  }
  if (type == "NONE" && !line.flags.empty()) refuse("NONE takes no flags");
  for (const auto& [name, value] : line.flags) set_health_flag(health, name, value);
  config_.healthcheck = std::move(health);
}

void Builder::onbuild(const InstructionLine& line) {
  const auto inner = read_instructions(line.rest);
  if (inner.empty()) refuse("it needs an instruction");
  const std::string& name = inner.front().name;
  if (name == "ONBUILD") refuse("it cannot be chained");
  if (name == "FROM" || name == "MAINTAINER") refuse(name + " cannot be its trigger");
  if (!config_.on_build) config_.on_build.emplace();
  config_.on_build->push_back(line.rest);
}

void Builder::shell(const InstructionLine& line) {
  auto words = json_words(line.rest);
  if (!words || words->empty()) refuse("it needs an array in JSON syntax");
  config_.shell.value = *std::move(words);
}

// Of the real-time signals an engine knows RTMIN+1 to +15 and RTMAX-1 to -14 by name.
bool is_real_time_signal(std::string_view name) {
  if (name == "RTMIN" || name == "RTMAX") return true;
  const bool low = name.starts_with("RTMIN+");
  if (!low && !name.starts_with("RTMAX-")) return false;
  const std::string_view number = name.substr(6);
  for (int n = 1; n <= (low ? 15 : 14); ++n)
    if (number == std::to_string(n)) return true;
  return false;
}

// As engines read them: any number but 0, or a name, "SIG" before it or not.
bool is_signal(std::string_view text) {
  static constexpr std::string_view names[] = {
      "ABRT", "ALRM", "BUS",  "CHLD", "CLD",  "CONT", "FPE",    "HUP",    "ILL",  "INT", "IO",   "IOT",
      "KILL", "PIPE", "POLL", "PROF", "PWR",  "QUIT", "SEGV",   "STKFLT", "STOP", "SYS", "TERM", "TRAP",
      "TSTP", "TTIN", "TTOU", "URG",  "USR1", "USR2", "VTALRM", "WINCH",  "XCPU", "XFSZ"};
  int64_t number = 0;
  const std::string_view digits = text.starts_with('+') && !text.starts_with("+-") ? text.substr(1) : text;
  const auto [end, failed] = std::from_chars(digits.data(), digits.data() + digits.size(), number);
  if (failed == std::errc() && end == digits.data() + digits.size()) return number != 0;
  const std::string upper = upper_case(text);
  const std::string_view name = std::string_view(upper).substr(upper.starts_with("SIG") ? 3 : 0);
  return std::find(std::begin(names), std::end(names), name) != std::end(names) || is_real_time_signal(name);
}

void Builder::stopsignal(const InstructionLine& line) {
  const std::string signal = expand(line.rest);
  if (!is_signal(signal)) refuse("'" + printable(signal, 40) + "' is no signal");
  config_.stop_signal = signal;
}

void Builder::user(const InstructionLine& line) {
  if (line.rest.empty()) refuse("it needs a user");
  config_.user = expand(line.rest);
}

void Builder::volume(const InstructionLine& line) {
  auto words = json_words(line.rest);
  if (!words) words = blank_separated(line.rest);
  if (words->empty()) refuse("it needs a path");
  for (const auto& word : *words) {
    const std::string path = expand(without_blanks_around(word));
    if (path.empty()) refuse("a path is empty");
    if (!config_.volumes) config_.volumes.emplace();
    config_.volumes->insert(path);
  }
}

// Go's filepath.Join of absolute paths: without "." and "..", and no more slashes than needed.
std::string joined(const std::string& base, const std::string& path) {
  std::vector<std::string> parts;
  const std::string all = base + "/" + path;
  for (size_t from = 0; from < all.size();) {
    const size_t end = std::min(all.find('/', from), all.size());
    const std::string part = all.substr(from, end - from);
    from = end + 1;
    if (part == ".." && !parts.empty()) parts.pop_back();
    if (!part.empty() && part != "." && part != "..") parts.push_back(part);
  }
  std::string out;
  for (const auto& part : parts) out += "/" + part;
  return out.empty() ? "/" : out;
}

void Builder::workdir(const InstructionLine& line) {
  const std::string path = expand(line.rest);
  if (path.empty()) refuse("it needs a path");
  config_.working_dir = path.starts_with('/') ? path : joined("/" + config_.working_dir, path);
}

}  // namespace

RunConfig apply_instructions(RunConfig config, std::span<const std::string> changes) {
  Builder builder(config);
  std::string all;
  for (const auto& change : changes) all += change + "\n";
  const auto lines = read_instructions(all);
  if (lines.empty() && !changes.empty())
    throw Error(Errc::invalid, "reading the changes: there is no instruction in them");
  for (const auto& line : lines)
    while_doing([&] { return "applying the change '" + printable(line.text, 200) + "'"; },
                [&] { builder.apply(line); });
  return config;
}

}  // namespace cairn
