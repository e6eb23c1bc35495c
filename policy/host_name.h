/* SPDX-License-Identifier: Apache-2.0 */
/* Names of hosts as people write them (RFC 1123 2.1, RFC 1035 2.3.4): only their shape; nothing is looked up here. */
#ifndef POLICY_HOST_NAME_H
#define POLICY_HOST_NAME_H

#include <stdbool.h>

enum { HOST_NAME_MAX_LEN = 253, HOST_LABEL_MAX_LEN = 63 };

/* NULL: it can be a name. Else what is wrong with it and what would be right, as the end of a sentence. */
const char *host_name_refusal(const char *text);

/* Without regard to case, and to a dot at the end, which only says that nothing is to be added. */
bool host_name_equal(const char *a, const char *b);
int host_name_compare(const char *a, const char *b);

/* The same text for names that are equal; one that can be a name (host_name_refusal). */
void host_name_fold(const char *name, char out[HOST_NAME_MAX_LEN + 2]);

#endif
