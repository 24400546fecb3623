#include "cli/registry_flags.h"

namespace cairn {

void add_registry_flags(CLI::App& app, RegistryFlags& flags) {
  app.add_flag("--plain-http", flags.plain_http, "Without TLS");
  app.add_option("--tls-verify", flags.tls_verify,
                 "Whether the registry's certificate is verified. Default: yes, but for loopback and the "
                 "insecure-registries of /etc/docker/daemon.json, where http will do as well")
      ->type_name("BOOL");
  app.add_option(
         "--authfile", flags.authfile,
         "Credentials, as docker or podman keep them. Default: $REGISTRY_AUTH_FILE, podman's auth.json, docker's "
         "config.json (in $DOCKER_CONFIG or ~/.docker), with their credential helpers")
      ->type_name("FILE");
  app.add_option("--creds", flags.creds, "USER[:PASSWORD] at this registry")->type_name("CREDENTIALS");
  app.add_option("--cert-dir", flags.cert_dir,
                 "*.crt to trust, *.cert and *.key to show. Default: /etc/docker/certs.d/HOST[:PORT]")
      ->type_name("DIR");
  app.add_option("--retry", flags.retries, "How often a request is repeated that fails for the moment")
      ->type_name("N")
      ->check(CLI::Range(0, 100))
      ->take_last()
      ->capture_default_str();
  app.add_option("--stall-timeout", flags.stall_seconds,
                 "How long a connection may move less than a kilobyte a second before it counts as broken")
      ->type_name("SECONDS")
      ->check(CLI::Range(1, 3600))
      ->take_last()
      ->capture_default_str();
}

}  // namespace cairn
