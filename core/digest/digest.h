// sha256 names. DiffId, ChainId and ImageId are distinct types so that one cannot be passed for another.
#pragma once

#include <array>
#include <compare>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>

namespace cairn {

class Digest {
 public:
  static std::optional<Digest> parse(
      std::string_view text) noexcept;  // "sha256:" + 64 lower-case hex digits, only that
  static std::optional<Digest> from_hex(std::string_view hex64) noexcept;
  static Digest of(std::string_view bytes);
  explicit Digest(const std::array<unsigned char, 32>& raw) noexcept : raw_(raw) {}
  std::string hex() const;
  std::string str() const { return "sha256:" + hex(); }
  const std::array<unsigned char, 32>& raw() const noexcept { return raw_; }
  auto operator<=>(const Digest&) const = default;

 private:
  std::array<unsigned char, 32> raw_;
};

template <typename Tag>
struct NamedDigest {
  Digest value;
  explicit NamedDigest(const Digest& digest) : value(digest) {}
  static std::optional<NamedDigest> parse(std::string_view text) noexcept {
    const auto digest = Digest::parse(text);
    return digest ? std::optional<NamedDigest>(*digest) : std::nullopt;
  }
  std::string hex() const { return value.hex(); }
  std::string str() const { return value.str(); }
  auto operator<=>(const NamedDigest&) const = default;
};
using DiffId = NamedDigest<struct DiffIdTag>;    // of a layer's uncompressed tar
using ChainId = NamedDigest<struct ChainIdTag>;  // of a layer on its parents
using ImageId = NamedDigest<struct ImageIdTag>;  // of an image configuration's exact bytes

ChainId chain_id(const std::optional<ChainId>& parent, const DiffId& diff);

// The DiffID of a tar of nothing: 1024 zero bytes.
const DiffId& empty_layer_diff_id();

// A running sha256 (OpenSSL EVP).
class Sha256 {
 public:
  Sha256();
  ~Sha256();
  Sha256(Sha256&&) noexcept;
  Sha256& operator=(Sha256&&) noexcept;
  void update(std::span<const char> bytes);
  Digest finish();  // once

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace cairn

template <>
struct std::hash<cairn::Digest> {
  size_t operator()(const cairn::Digest& d) const noexcept {
    size_t out = 0;
    for (size_t i = 0; i < sizeof out; ++i) out = out << 8 | d.raw()[i];
    return out;
  }
};
template <typename Tag>
struct std::hash<cairn::NamedDigest<Tag>> {
  size_t operator()(const cairn::NamedDigest<Tag>& d) const noexcept { return std::hash<cairn::Digest>()(d.value); }
};
