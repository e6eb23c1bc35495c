/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Distinguished names (X.501, RFC 5280 4.1.2.4): text to DER, DER to text, and whether two are one. The order of the
 * text is that of the DER: "C=CH, O=Example, CN=gw", as ipsec.conf and `openssl -subj` have it. No wildcards.
 */
#ifndef CRYPTO_DN_H
#define CRYPTO_DN_H

#include <stdbool.h>

#include "base/status.h"
#include "base/wire.h"

enum { DN_RDNS_MAX = 32, DN_TEXT = 256 };

/*
 * "C=CH, O=Example, OU=a+OU=b, CN=gw". A backslash takes a special meaning away ("O=Example\, Inc") or begins two hex
 * digits; attributes joined by '+' are one set, in the order of the DER. ERR_MALFORMED: no name, an unknown attribute,
 * an empty value, a country that is not two letters. ERR_LIMIT: w is too small.
 */
MUST_USE enum status dn_parse(const char *text, struct writer *w);

/* One SEQUENCE of SETs of attributes that fills der, no deeper than that, at most DN_RDNS_MAX of them. */
bool dn_is_sound(struct bytes der);

/* Whether two are the same name (RFC 5280 7.1): attribute by attribute; strings without regard to their ASN.1 type, to
 * case, and to repeated blanks. False when one is unsound. */
bool dn_equal(struct bytes a, struct bytes b);

/* Bytes for a hash table, as many as fit: the same for names that dn_equal calls one. Returns how many. */
size_t dn_fold(struct bytes der, uint8_t *out, size_t capacity);

/* Printable ASCII that dn_parse reads again; ends with "..." where it is cut. An unsound one is shown as hex. Returns
 * out. */
const char *dn_print(struct bytes der, char *out, size_t capacity);

#endif
