#include "core/digest/digest.h"

#include <openssl/evp.h>

#include "core/util/error.h"

namespace cairn {

static int nibble(char c) noexcept { return c >= '0' && c <= '9' ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1; }

std::optional<Digest> Digest::from_hex(std::string_view hex) noexcept {
  if (hex.size() != 64) return std::nullopt;
  std::array<unsigned char, 32> raw;
  for (size_t i = 0; i < 32; ++i) {
    const int high = nibble(hex[2 * i]), low = nibble(hex[2 * i + 1]);
    if (high < 0 || low < 0) return std::nullopt;
    raw[i] = static_cast<unsigned char>(high << 4 | low);
  }
  return Digest(raw);
}

std::optional<Digest> Digest::parse(std::string_view text) noexcept {
  constexpr std::string_view prefix = "sha256:";
  if (text.substr(0, prefix.size()) != prefix) return std::nullopt;
  return from_hex(text.substr(prefix.size()));
}

Digest Digest::of(std::string_view bytes) {
  Sha256 hash;
  hash.update(bytes);
  return hash.finish();
}

std::string Digest::hex() const {
  static const char* digits = "0123456789abcdef";
  std::string out;
  out.reserve(64);
  for (unsigned char c : raw_) out += {digits[c >> 4], digits[c & 15]};
  return out;
}

ChainId chain_id(const std::optional<ChainId>& parent, const DiffId& diff) {
  return ChainId(parent ? Digest::of(parent->str() + " " + diff.str()) : diff.value);
}

const DiffId& empty_layer_diff_id() {
  static const DiffId id(Digest::of(std::string(1024, '\0')));
  return id;
}

struct Sha256::State {
  EVP_MD_CTX* context = EVP_MD_CTX_new();
  ~State() { EVP_MD_CTX_free(context); }
};

Sha256::Sha256() : state_(std::make_unique<State>()) {
  // One fetch for the process: looking an algorithm up costs more than hashing a small file.
  static const EVP_MD* const algorithm = EVP_MD_fetch(nullptr, "SHA256", nullptr);
  if (state_->context == nullptr || EVP_DigestInit_ex2(state_->context, algorithm, nullptr) != 1)
    throw Error(Errc::io, "starting a sha256: OpenSSL refused");
}
Sha256::~Sha256() = default;
Sha256::Sha256(Sha256&&) noexcept = default;
Sha256& Sha256::operator=(Sha256&&) noexcept = default;

void Sha256::update(std::span<const char> bytes) {
  if (EVP_DigestUpdate(state_->context, bytes.data(), bytes.size()) != 1)
    throw Error(Errc::io, "hashing: OpenSSL refused");
}

Digest Sha256::finish() {
  std::array<unsigned char, 32> raw;
  if (EVP_DigestFinal_ex(state_->context, raw.data(), nullptr) != 1)
    throw Error(Errc::io, "finishing a sha256: OpenSSL refused");
  return Digest(raw);
}

}  // namespace cairn
