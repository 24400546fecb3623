// A manifest of schema 1 with signatures of an ES256 and an RS256 key, made with the openssl program.
// docker-registry 2.8 took it, and dockerd 20.10 pulled it and computed the ID of its image.
#pragma once

namespace cairn::test {

inline constexpr char kGoldenSchema1[] = R"golden({
   "schemaVersion": 1,
   "name": "t/es256",
   "tag": "y",
   "architecture": "amd64",
   "fsLayers": [
      {
         "blobSum": "sha256:a3ed95caeb02ffe68cdd9fd84406680ae93d633cb16422d00e8a7c22955b46d4"
      },
      {
         "blobSum": "sha256:e95784e2dd4aaea6f8fd5ba613e834b2919eeb1a41f78e44cad5b28ad7a0bdb9"
      },
      {
         "blobSum": "sha256:a3ed95caeb02ffe68cdd9fd84406680ae93d633cb16422d00e8a7c22955b46d4"
      },
      {
         "blobSum": "sha256:a3ed95caeb02ffe68cdd9fd84406680ae93d633cb16422d00e8a7c22955b46d4"
      },
      {
         "blobSum": "sha256:783b7f0a78042dfd08439efc4dd3a355f26cdf63cafbf70a641fa27f25312676"
      }
   ],
   "history": [
      {
         "v1Compatibility": "{\"id\":\"a12b798b0ebadb95343b3ca48c43c2c4cec2e468aa66888719ccff65e383b155\",\"parent\":\"b9e15d5dbb12cc77a3217ec3ba7d5560b1cdb67066bd38df794680c7f313da08\",\"created\":\"2015-12-01T10:11:04Z\",\"container_config\":{\"Cmd\":[\"/bin/sh\",\"-c\",\"#(nop) CMD [\\\"/bin/sh\\\"]\"]},\"architecture\":\"amd64\",\"config\":{\"Cmd\":[\"/bin/sh\"],\"Env\":[\"PATH=/bin\"],\"Labels\":{\"a<b\":\"c&d\"}},\"docker_version\":\"1.9.1\",\"os\":\"linux\",\"throwaway\":true}"
      },
      {
         "v1Compatibility": "{\"id\":\"b9e15d5dbb12cc77a3217ec3ba7d5560b1cdb67066bd38df794680c7f313da08\",\"parent\":\"48544716adfdd6d1f5dd56a77db6671a0b3cd661040c2c6c0e7291f18eb3e351\",\"created\":\"2015-12-01T10:11:03Z\",\"container_config\":{\"Cmd\":[\"/bin/sh\",\"-c\",\"echo > /etc/b\"]}}"
      },
      {
         "v1Compatibility": "{\"id\":\"48544716adfdd6d1f5dd56a77db6671a0b3cd661040c2c6c0e7291f18eb3e351\",\"parent\":\"3267d213fc935c8ff9bb9a1ee95d4ca4aafaf801fdcb2b66f1c53c15cf9ab775\",\"created\":\"2015-12-01T10:11:02Z\",\"container_config\":{\"Cmd\":[\"/bin/sh\",\"-c\",\"#(nop) MAINTAINER me\"]}}"
      },
      {
         "v1Compatibility": "{\"id\":\"3267d213fc935c8ff9bb9a1ee95d4ca4aafaf801fdcb2b66f1c53c15cf9ab775\",\"parent\":\"4673b0da844b2dedee84168a6301d22e74aaf072fbebaf9fb86f69bfff4d51d5\",\"created\":\"2015-12-01T10:11:01Z\",\"container_config\":{\"Cmd\":[\"/bin/sh\",\"-c\",\"#(nop) ENV A=<b>\"]},\"throwaway\":true}"
      },
      {
         "v1Compatibility": "{\"id\":\"4673b0da844b2dedee84168a6301d22e74aaf072fbebaf9fb86f69bfff4d51d5\",\"created\":\"2015-12-01T10:11:00Z\",\"container_config\":{\"Cmd\":[\"/bin/sh\",\"-c\",\"#(nop) ADD file:1 in /\"]}}"
      }
   ],
   "signatures": [
      {
         "header": {
            "jwk": {
               "crv": "P-256",
               "kid": "MYC4:HNDX:5Z6J:OME2:QMF3:EUSN:N4YG:2ZVE:MZSM:VWHD:7MWS:KBID",
               "kty": "EC",
               "x": "VGHkf_BNca6TZYYNvQZ6jur5XcNlPZHl8sPpB1k4V70",
               "y": "jPjJ9LDIMcXKBYGauCqlf7tRr6K_8RYOgSkSiG1hwRw"
            },
            "alg": "ES256"
         },
         "signature": "LouX3WAcUgZNqOS3CpBqedf7QhHQql302PZnW_OmpkYCYwb5ZHpVT-CNLqdXG3oTX5li89hhR_yBrN8j-xm2lQ",
         "protected": "eyJmb3JtYXRMZW5ndGgiOjIzOTksImZvcm1hdFRhaWwiOiJDbjAiLCJ0aW1lIjoiMjAxNS0xMi0wMVQxMDoxMToxMloifQ"
      },
      {
         "header": {
            "jwk": {
               "e": "AQAB",
               "kid": "UMIO:VDYL:GZTR:PYIP:B7NS:VIDI:IGO3:2BD2:GD24:4Z6X:TZ66:5PXA",
               "kty": "RSA",
               "n": "s1a6OhOt5uJChyhFBSF7nzF21JGarJZAxVK7DejzBcpw8T_EC4rZAST-ExhQEw-w1oTZRB0vaBRttrzJmjtWKB7x5bUSzaEAK995DQCmfrh9XO2h4ZcatKmIiTrQWhx2W6PQqhowuaBelXKdboFXMVN6GDklOgFzY32QVgFFcGmOKZwOmllVAP5UGYs9HqCh4yR2-Ffv5dacQAcBoLoviaGhXcN0EqyLe1AKti3s2W5_zV4tJ3KiPEmCpuMGCAGbBpwJMp60N3wy1j3jGWLO3864fYbcvf7qeOgiE8LwindzvRmK2u8BtrYrj_alS55songkzkDML42Aylp6yg6E6w"
            },
            "alg": "RS256"
         },
         "signature": "qsz3sJ-aNOnb7cUyV2qSRLhrltF0khfYstUlp4je05f-zkhqsE6UVg3WTGW_oPswQ87M5LsQkVtb17S63rvVGZBWjhrtqk55gNDGTslI73F6GZqZR9FJoeQ9ijSqqei90WfIjgLdYI9G6F-03X-MRVjjwd6JA9P9Qzm3sSKMRxZdfGqE85eWYnGdzPDq4VHz7MIugUFjmansI5bGcDADMRi7eljWAI_dSNbzRGjZaatPdMwFonmCtUv9LT4z3OgeE6Hwse43cVhfU-fiv0Ajp4vkS_BluSbNR_NNllAdwLF8enKn_plwUWjBuHnX21ORcKsYh8yzchtAy7SYOyJA0w",
         "protected": "eyJmb3JtYXRMZW5ndGgiOjIzOTksImZvcm1hdFRhaWwiOiJDbjAiLCJ0aW1lIjoiMjAxNS0xMi0wMVQxMDoxMToxMloifQ"
      }
   ]
})golden";
inline constexpr char kGoldenSchema1Digest[] =
    "sha256:3adf792cd99778840cf3a31645c2f2c9f4e7fc11d3ca863baa5e7c88af3e8e17";
inline constexpr const char* kGoldenSchema1DiffIds[] = {
    "sha256:5bf13807fb7d22a59a03cb040bf6b74fbcdc59bdaa79a2bbb6001edf9e5364c0",
    "sha256:5f70bf18a086007016e948b04aed3b82103a36bea41755b6cddfaf10ace3c6ef",
    "sha256:d474ef37cf994989d1455cd461c91378be3a91ffb7c0e7a9dc632277cc461612"};
inline constexpr char kGoldenSchema1ImageId[] =
    "sha256:746b37c45bf38fa8ccc5a7a8534dc34e68db791a227809ae7a2de8f8b23979cd";

}  // namespace cairn::test
