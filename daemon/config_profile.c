/* SPDX-License-Identifier: Apache-2.0 */
#include "daemon/config_profile.h"

#include <stdio.h>
#include <string.h>

enum { SETTINGS_MAX = 12 };

struct profile {
    const char *name;
    struct {
        const char *key, *value;
    } settings[SETTINGS_MAX];
};

static const struct profile profiles[] = {
    {"aws",
     {{"ike", "aes256-sha256-modp2048, aes128-sha256-modp2048"},
      {"esp", "aes256gcm16-modp2048, aes256-sha256-modp2048, aes128-sha256-modp2048"},
      {"ike_lifetime", "8h"},
      {"lifetime", "1h"},
      {"dpd_delay", "30s"},
      {"replay_window", "1024"},
      {"start", "start"}}}, /* AWS waits to be called */
    {"azure-policy",
     {{"allow", "modp1024 sha1 3des"},
      {"ike", "aes256-sha256-modp1024, aes256-sha1-modp1024, aes128-sha1-modp1024, 3des-sha1-modp1024"},
      {"esp", "aes256-sha256, aes256-sha1, aes128-sha1, 3des-sha1"},
      {"ike_lifetime", "8h"},
      {"lifetime", "1h"},
      {"lifetime_bytes", "102400000KiB"},
      {"dpd_delay", "0"}}}, /* it does not answer */
    {"gcp-v1",
     {{"allow", "modp1024 sha1"},
      {"ike", "aes128-sha1-modp1024"},
      {"esp", "aes128-sha1-modp1024"},
      {"ike_lifetime", "36600s"},
      {"lifetime", "3h"}}},
    {"cisco",
     {{"allow", "sha1 modp1536 modp1024"},
      {"ike", "aes256-sha256-modp2048, aes256-sha1-modp2048, aes256-sha1-modp1536, aes128-sha1-modp1024"},
      {"esp", "aes256-sha256, aes256-sha1, aes128-sha1"},
      {"ike_lifetime", "1d"},
      {"lifetime", "8h"},
      {"lifetime_bytes", "4608000KiB"}}},
    {"fortigate",
     {{"allow", "sha1 modp1536"},
      {"ike", "aes256-sha256-modp2048, aes128-sha256-modp2048, aes256-sha1-modp2048, aes256-sha256-modp1536, "
              "aes128-sha1-modp1536"},
      {"esp", "aes256-sha256-modp2048, aes128-sha256-modp2048, aes256-sha1-modp2048, aes128-sha1-modp2048"},
      {"ike_lifetime", "1d"},
      {"lifetime", "12h"}}},
    {"mikrotik",
     {{"allow", "sha1 3des modp1024"},
      {"ike", "aes128-sha1-modp2048, aes128-sha1-modp1024, 3des-sha1-modp1024"},
      {"esp", "aes256-sha1-modp1024, aes192-sha1-modp1024, aes128-sha1-modp1024"},
      {"ike_lifetime", "1d"},
      {"lifetime", "30m"},
      {"dpd_delay", "2m"}}},
    {"juniper",
     {{"ike", "aes256-sha256-modp2048, aes128-sha256-modp2048"},
      {"esp", "aes256gcm16-modp2048, aes256-sha256-modp2048, aes128-sha256-modp2048"},
      {"ike_lifetime", "8h"},
      {"lifetime", "1h"}}},
    {"fritzbox",
     {{"mode", "aggressive"},
      {"allow", "sha1 modp1024"},
      {"ike", "aes256-sha512-modp1024, aes256-sha1-modp1024"},
      {"esp", "aes256-sha512, aes256-sha1"},
      {"ike_lifetime", "1h"},
      {"lifetime", "1h"}}},
};

const struct profile *profile_at(size_t i)
{
    return i < sizeof profiles / sizeof *profiles ? &profiles[i] : NULL;
}

const struct profile *profile_find(const char *name)
{
    const struct profile *profile;
    for (size_t i = 0; (profile = profile_at(i)) != NULL; i++)
        if (strcmp(profile->name, name) == 0)
            return profile;
    return NULL;
}

const char *profile_name(const struct profile *profile)
{
    return profile->name;
}

const char *profile_value(const struct profile *profile, const char *key)
{
    for (size_t i = 0; i < SETTINGS_MAX && profile->settings[i].key != NULL; i++)
        if (strcmp(profile->settings[i].key, key) == 0)
            return profile->settings[i].value;
    return NULL;
}

const char *profile_names(char out[PROFILE_NAMES])
{
    size_t used = 0;
    const struct profile *profile;
    out[0] = '\0';
    for (size_t i = 0; (profile = profile_at(i)) != NULL && used < PROFILE_NAMES; i++)
        used += (size_t)snprintf(out + used, PROFILE_NAMES - used, "%s%s", i > 0 ? ", " : "", profile->name);
    return out;
}
