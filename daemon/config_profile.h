/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What kinds of peers want, by name: `profile = cisco` gives the keys that are not written other defaults. Nothing else
 * depends on it. The figures are those that the vendors document for IKEv1, strongest first; doc/configuration.md shows
 * them.
 */
#ifndef DAEMON_CONFIG_PROFILE_H
#define DAEMON_CONFIG_PROFILE_H

#include <stddef.h>

struct profile;

const struct profile *profile_find(const char *name); /* NULL: there is none */
const struct profile *profile_at(size_t i);           /* NULL past the end */
const char *profile_name(const struct profile *profile);

/* The default that the profile gives a key of [connection]; NULL: none of its own. */
const char *profile_value(const struct profile *profile, const char *key);

/* "aws, azure-policy, ...". Returns out. */
enum { PROFILE_NAMES = 128 };
const char *profile_names(char out[PROFILE_NAMES]);

#endif
