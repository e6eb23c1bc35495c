/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/config_keys.h"

#include <string.h>

#include "daemon/config_apply.h"
#include "daemon/config_values.h"
#include "esp/replay.h"
#include "esp/spi.h"

#define GATEWAY(field)    .section = SECTION_GATEWAY, .offset = offsetof(struct gateway_config, field)
#define CONNECTION(field) .section = SECTION_CONNECTION, .offset = offsetof(struct connection, field)
#define FIXED(kind)       .section = kind, .apply = apply_fixed
#define LATER(kind)       .section = kind, .apply = apply_later
#define RULE              .section = SECTION_ACL, .apply = apply_rule, .repeats = true

#define RULE_HELP    "[PROTO] SIDE -> SIDE [port P[-Q]]"
#define PROTECT_HELP "[PROTO] SIDE -> SIDE [port P] via CONNECTION" /* IKEv1 carries no range of ports */

enum { DAY = 86400, LIFE_MIN = 5, MTU_MIN = 576, MTU_MAX = 65535 };

/* The least is what RFC 791's 256 bytes of a fragment-free path leave to TCP; the most, what a packet can hold. */
enum { MSS_MIN = 216, MSS_MAX = 65495 };

/* IKEv1 carries a lifetime in kilobytes in 32 bits (RFC 2407 4.5). */
static const struct config_key keys[] = {
    /* clang-format off */
    {GATEWAY(tun), .name = "tun", .apply = apply_tun, .fallback = "esp0",
     .help = "name of the TUN interface, created, or attached to when it exists; or fd:N, handed over"},
    {GATEWAY(mtu), .name = "mtu", .apply = apply_auto_or_number, .fallback = "auto", .min = MTU_MIN, .max = MTU_MAX,
     .help = "auto, or a number from 576 to 65535"},
    {GATEWAY(workers), .name = "workers", .apply = apply_auto_or_number, .fallback = "auto", .min = 1,
     .max = SHARDS_MAX, .help = "auto, or a number from 1 to 16"},
    {GATEWAY(routes), .name = "routes", .apply = apply_yes_no, .fallback = "yes", .words = "yes|no",
     .help = "install routes of protect rules to the TUN"},
    {GATEWAY(tun_offload), .name = "tun_offload", .apply = apply_yes_no, .fallback = "yes", .words = "yes|no",
     .help = "the kernel hands over and takes many TCP segments as one packet"},
    {GATEWAY(udp_gso), .name = "udp_gso", .apply = apply_yes_no, .fallback = "yes", .words = "yes|no",
     .help = "several ESP packets leave in one call"},
    {GATEWAY(udp_gro), .name = "udp_gro", .apply = apply_yes_no, .fallback = "yes", .words = "yes|no",
     .help = "several ESP packets arrive in one call"},
    {GATEWAY(guard), .name = "guard", .apply = apply_yes_no, .fallback = "no", .words = "yes|no",
     .help = "netfilter rules that drop clear packets of protect rules, also when esptun is not running"},
    {GATEWAY(crypto), .name = "crypto", .apply = apply_word, .fallback = "auto", .words = "auto|openssl|ipsec-mb",
     .help = "back end of the ESP ciphers: ipsec-mb where it can, never, or else refuse to start"},
    {GATEWAY(control), .name = "control", .apply = apply_control, .fallback = CONFIG_CONTROL_DEFAULT,
     .help = "absolute path of the control socket"},
    {GATEWAY(metrics), .name = "metrics", .apply = apply_endpoint, .fallback = "off",
     .help = "address and port of /metrics, /healthz and /readyz, such as 127.0.0.1:9903; or off"},
    {GATEWAY(log_level), .name = "log_level", .apply = apply_word, .fallback = "info",
     .words = "error|warning|info|debug", .help = "how much is logged"},
    {GATEWAY(log_format), .name = "log_format", .apply = apply_word, .fallback = "text", .words = "text|json",
     .help = "shape of log lines"},
    {GATEWAY(user), .name = "user", .apply = apply_user,
     .help = "the user to become once everything is open; absent: who started it"},
    {GATEWAY(sandbox), .name = "sandbox", .apply = apply_yes_no, .fallback = "yes", .words = "yes|no",
     .help = "filter system calls and files once everything is open"},

    {CONNECTION(profile), .name = "profile", .apply = apply_profile,
     .help = "the kind of peer, whose usual proposals and lifetimes become the defaults"},
    {FIXED(SECTION_CONNECTION), .name = "ike_version", .fallback = "1", .words = "1", .later = "2",
     .help = "version of IKE"},
    {CONNECTION(mode), .name = "mode", .apply = apply_word, .fallback = "main", .words = "main|aggressive",
     .help = "mode of IKEv1 phase 1"},
    {CONNECTION(auth), .name = "auth", .apply = apply_auth, .fallback = "psk", .words = "psk|pubkey|xauth-psk|xauth-pubkey",
     .help = "how the peers prove who they are"},
    {CONNECTION(local), .name = "local", .apply = apply_local, .fallback = "%any", .help = "our address, or %any"},
    {CONNECTION(remote), .name = "remote", .apply = apply_remote, .required = true,
     .help = "the peer's address, its name in the DNS, or %any"},
    {CONNECTION(local_id), .name = "local_id", .apply = apply_identity,
     .help = "address, name, user@name, @name or distinguished name; absent: the address of our end, or the subject of cert"},
    {CONNECTION(remote_id), .name = "remote_id", .apply = apply_identity,
     .help = "address, name, user@name, @name or distinguished name; absent: the address of the peer"},
    {CONNECTION(psk), .name = "psk", .apply = apply_psk, .help = "the pre-shared key as text"},
    {CONNECTION(psk), .name = "psk_file", .apply = apply_psk_file,
     .help = "a file with the pre-shared key, open to its owner alone"},
    {CONNECTION(access), .name = "users", .apply = apply_users,
     .help = "a server's file of users and hashed passwords, open to its owner alone; `esptun passwd NAME` makes lines"},
    {CONNECTION(access), .name = "pool", .apply = apply_pool,
     .help = "a server's virtual addresses: a range or prefix of IPv4, of IPv6, or one of each with a comma"},
    {CONNECTION(access), .name = "dns", .apply = apply_dns, .help = "up to 4 addresses of DNS servers, for clients"},
    {CONNECTION(access), .name = "split", .apply = apply_split,
     .help = "up to 32 IPv4 networks that clients are told to send through the tunnel"},
    {CONNECTION(access), .name = "domain", .apply = apply_domain, .help = "the DNS domain, for clients"},
    {CONNECTION(access), .name = "banner", .apply = apply_banner, .help = "a line of text that clients show"},
    {CONNECTION(access), .name = "xauth_user", .apply = apply_xauth_user, .help = "a client's user name"},
    {CONNECTION(access), .name = "xauth_password", .apply = apply_xauth_password,
     .help = "a client's password as text"},
    {CONNECTION(access), .name = "xauth_password_file", .apply = apply_xauth_password_file,
     .help = "a file with a client's password, open to its owner alone"},
    {CONNECTION(access), .name = "mode_config", .apply = apply_mode_config, .fallback = "pull", .words = "pull|push",
     .help = "the client asks for its address, or the server sets it unasked"},
    {CONNECTION(allow), .name = "allow", .apply = apply_allow, .fallback = "",
     .help = "legacy algorithms by name: modp1024 modp1536 sha1 md5 3des null sha256_96 rsa1024 sha1_cert"},
    {CONNECTION(credentials), .name = "key_password_file", .apply = apply_key_password_file,
     .help = "a file with the password of key, open to its owner alone"},
    {CONNECTION(credentials), .name = "key", .apply = apply_key,
     .help = "a file with our private key (PEM, DER or PKCS#12), open to its owner alone"},
    {CONNECTION(credentials), .name = "cert", .apply = apply_cert,
     .help = "a file with our certificate, and then those between it and the CA"},
    {CONNECTION(credentials), .name = "ca", .apply = apply_ca,
     .help = "a file with the certificates of the authorities that the peer's may come from"},
    {CONNECTION(credentials), .name = "crl", .apply = apply_crl, .help = "a file with their lists of revoked certificates"},
    {CONNECTION(ike), .name = "ike", .apply = apply_proposals,
     .fallback = "aes256-sha256-modp2048, aes128-sha256-ecp256", .help = "proposals of phase 1, best first"},
    {CONNECTION(esp), .name = "esp", .apply = apply_proposals,
     .fallback = "aes256gcm16-modp2048, aes256-sha256-modp2048",
     .help = "proposals of phase 2, best first; a group means PFS"},
    {CONNECTION(ike_lifetime_s), .name = "ike_lifetime", .apply = apply_duration, .fallback = "8h",
     .min = LIFE_MIN, .max = 365 * DAY, .help = "life of a phase 1 SA"},
    {CONNECTION(ike_lifetime_bytes), .name = "ike_lifetime_bytes", .apply = apply_bytes, .fallback = "none",
     .min = 16384, .max = UINT64_C(0xffffffff) * 1024, .help = "bytes of messages that one phase 1 SA may carry, or none"},
    {CONNECTION(lifetime_s), .name = "lifetime", .apply = apply_duration, .fallback = "1h",
     .min = LIFE_MIN, .max = 365 * DAY, .help = "life of a phase 2 SA"},
    {CONNECTION(lifetime_bytes), .name = "lifetime_bytes", .apply = apply_bytes, .fallback = "none",
     .min = 65536, .max = UINT64_C(0xffffffff) * 1024, .help = "bytes that one phase 2 SA may carry, or none"},
    {CONNECTION(lifetime_packets), .name = "lifetime_packets", .apply = apply_count, .fallback = "none",
     .min = 1000, .max = UINT32_MAX, .help = "packets that one phase 2 SA may carry, or none"},
    {CONNECTION(replay_window), .name = "replay_window", .apply = apply_number, .fallback = "1024",
     .min = REPLAY_WINDOW_MIN, .max = REPLAY_WINDOW_MAX, .help = "packets that may arrive out of order"},
    {CONNECTION(dpd_delay_s), .name = "dpd_delay", .apply = apply_duration, .fallback = "30s",
     .min = 0, .max = DAY, .help = "silence before the peer is asked for a sign of life; 0: never"},
    {CONNECTION(dpd_action), .name = "dpd_action", .apply = apply_word, .fallback = "restart",
     .words = "restart|trap|clear", .help = "what follows when the peer is dead"},
    {CONNECTION(encap), .name = "encap", .apply = apply_word, .fallback = "yes", .words = "yes|auto|no",
     .help = "ESP in UDP: always where the peer can, only behind NAT, never"},
    {CONNECTION(tunnel.df), .name = "df", .apply = apply_word, .fallback = "copy", .words = "copy|set|clear",
     .help = "the DF bit of outer IPv4 headers"},
    {CONNECTION(tunnel.fragment), .name = "fragment", .apply = apply_word, .fallback = "before",
     .words = "before|after", .help = "inner packets that may be fragmented are cut before or after sealing"},
    {CONNECTION(tunnel.outer_fragments), .name = "outer_fragments", .apply = apply_yes_no, .fallback = "accept",
     .words = "accept|refuse", .help = "ESP that arrives in fragments"},
    {CONNECTION(tunnel.dscp), .name = "dscp", .apply = apply_dscp, .fallback = "copy",
     .help = "the DSCP of outer headers: copy, 0 to 63, or a name such as ef, cs6, af21"},
    {CONNECTION(tunnel.ecn), .name = "ecn", .apply = apply_yes_no, .fallback = "yes", .words = "yes|no",
     .help = "congestion marks cross the tunnel (RFC 6040)"},
    {CONNECTION(tunnel.mss), .name = "mss", .apply = apply_mss, .fallback = "auto", .min = MSS_MIN, .max = MSS_MAX,
     .help = "limit of the segment size in TCP SYNs, both ways: auto, off, or 216 to 65495"},
    {CONNECTION(fragmentation), .name = "fragmentation", .apply = apply_yes_no, .fallback = "yes", .words = "yes|no",
     .help = "large IKE messages in fragments, where the peer takes them"},
    {CONNECTION(start), .name = "start", .apply = apply_word, .fallback = "trap", .words = "trap|start|none",
     .help = "on interesting traffic, at once, or only when the peer asks"},
    {CONNECTION(required), .name = "required", .apply = apply_yes_no, .fallback = "no", .words = "yes|no",
     .help = "/readyz answers 503 while it is not up, or nothing comes back"},
    {CONNECTION(probe), .name = "probe", .apply = apply_probe,
     .help = "an address behind the peer that is pinged through the tunnel, to know that it leads there"},
    {CONNECTION(probe_source), .name = "probe_source", .apply = apply_probe,
     .help = "from which address, of the local side of the rule; absent: one of this host's"},
    {CONNECTION(probe_interval_s), .name = "probe_interval", .apply = apply_duration, .fallback = "10s",
     .min = 1, .max = 3600, .help = "how often; an answer that takes longer is none"},
    {CONNECTION(probe_failures), .name = "probe_failures", .apply = apply_number, .fallback = "3",
     .min = 1, .max = 100, .help = "so many without an answer in a row mean that it is down"},
    {CONNECTION(probe_action), .name = "probe_action", .apply = apply_word, .fallback = "none",
     .words = "none|restart", .help = "what follows when it is down"},
    {CONNECTION(up), .name = "up", .apply = apply_hook,
     .help = "absolute path of a program to run when a tunnel has come up"},
    {CONNECTION(down), .name = "down", .apply = apply_hook,
     .help = "absolute path of a program to run when a tunnel is gone"},
    {CONNECTION(hook_timeout_s), .name = "hook_timeout", .apply = apply_duration, .fallback = "30s",
     .min = 1, .max = 3600, .help = "how long up and down may take before they are killed"},

    {RULE, .name = "protect", .help = PROTECT_HELP},
    {RULE, .name = "permit", .help = "another word for protect"},
    {RULE, .name = "bypass", .help = RULE_HELP},
    {RULE, .name = "deny", .help = "another word for bypass"},
    {RULE, .name = "discard", .help = RULE_HELP},
    /* clang-format on */
};

_Static_assert(sizeof keys / sizeof *keys <= CONFIG_KEYS_MAX, "per-section arrays are too small");

const struct config_key *config_key_at(size_t i)
{
    return i < sizeof keys / sizeof *keys ? &keys[i] : NULL;
}

int config_key_find(enum section_kind section, const char *name)
{
    for (size_t i = 0; i < sizeof keys / sizeof *keys; i++) {
        if (keys[i].section == section && strcmp(keys[i].name, name) == 0)
            return (int)i;
    }
    return -1;
}

const char *config_key_nearest(enum section_kind section, const char *name)
{
    const char *nearest = NULL;
    unsigned best = strlen(name) >= 6 ? 4 : strlen(name) >= 3 ? 3 : 2; /* so far off is no resemblance */
    for (size_t i = 0; i < sizeof keys / sizeof *keys; i++) {
        if (keys[i].section != section || keys[i].apply == apply_later)
            continue;
        unsigned distance = word_distance(keys[i].name, name);
        if (distance < best) {
            best = distance;
            nearest = keys[i].name;
        }
    }
    return nearest;
}

const char *config_keys_print(enum section_kind section, char out[CONFIG_KEYS_TEXT])
{
    size_t used = 0;
    out[0] = '\0';
    for (size_t i = 0; i < sizeof keys / sizeof *keys && used < CONFIG_KEYS_TEXT; i++) {
        if (keys[i].section == section && keys[i].apply != apply_later)
            used += (size_t)snprintf(out + used, CONFIG_KEYS_TEXT - used, "%s%s", used > 0 ? ", " : "", keys[i].name);
    }
    return out;
}

const char *config_section_title(enum section_kind section)
{
    static const char *const titles[SECTION_KINDS] = {"[gateway]", "[connection NAME]", "[acl]"};
    return titles[section];
}
