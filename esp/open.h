/* SPDX-License-Identifier: Apache-2.0 */
/* Inbound: ESP payloads become inner IP packets, in the order of RFC 4303 3.4 and RFC 4301 5.2. */
#ifndef ESP_OPEN_H
#define ESP_OPEN_H

#include "base/packet.h"
#include "esp/sa.h"
#include "policy/fragments.h"

/* The SPI of a packet that starts with an ESP header; false when it is too short to have one. */
bool esp_peek_spi(struct bytes esp, uint32_t *spi);

/* What selectors with ports need of fragments: see policy/fragments.h. NULL in place of it: they match none. */
struct esp_inbound {
    struct fragments *fragments; /* borrowed */
    uint64_t now_ms;
};

/*
 * Opens n packets of one SA in place (n <= AEAD_BATCH_MAX), each from SPI to ICV: length and alignment, replay check,
 * ICV, window update, padding, next header, inner header, selectors. On DROP_NONE a packet holds exactly the inner IP
 * packet (TFC padding removed), and flows[i] its fields. why[i] else says what was wrong, and the bytes are undefined.
 * Counts in sa->in; drops by reason are the caller's to count. Returns the place of the authentic packet that moved the
 * window's top last, the newest word of the peer; n when none did.
 */
size_t esp_open(struct sa *sa, const struct esp_inbound *inbound, struct packet *const *packets, struct flow *flows,
                enum drop *why, size_t n);

#endif
