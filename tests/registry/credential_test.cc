#include "registry/credential.h"

#include <gtest/gtest.h>

namespace cairn {
namespace {

// The expected values are those of `printf … | sha256sum` and `printf … | openssl dgst -sha256 -hmac KEY`.
TEST(MetadataHmac, IsKeyedByTheCredentialAsEnginesKeyIt) {
  EXPECT_EQ(metadata_hmac_key({}), "sha256:44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a");
  EXPECT_EQ(metadata_hmac_key({"u", "p<&", "", ""}),
            "sha256:3d1578e705d133394a2d58d347f15d583235f9cce1b5114e165b9b98689944f5");
  EXPECT_EQ(metadata_hmac_key({"u", "", "i", "r"}),
            "sha256:8a71e78c6123ecb15398f9de196ad7b2544e0ee3c77e04eb4742ed7c432e099f");
}

TEST(MetadataHmac, CoversDigestAndRepository) {
  const auto digest = *Digest::parse("sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
  EXPECT_EQ(metadata_hmac(metadata_hmac_key({}), digest, "docker.io/library/busybox"),
            "4c4913a430fdb6f6540e394ed66b85d4c94b42650edcec3763384c61626ecb39");
}

TEST(Credentials, AreEmptyOrHaveAPassword) {
  EXPECT_TRUE(Credential{}.empty());
  EXPECT_FALSE((Credential{"", "", "", "r"}).empty());
  EXPECT_FALSE((Credential{"", "", "i", ""}).empty());
  EXPECT_FALSE((Credential{"u", "", "", ""}).has_password());
  EXPECT_TRUE((Credential{"u", "p", "", ""}).has_password());
}

}  // namespace
}  // namespace cairn
