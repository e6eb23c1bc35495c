/* SPDX-License-Identifier: Apache-2.0 */
/* Outbound: inner IP packets become ESP payloads, a batch of one SA at a time (RFC 4303 3.3). */
#ifndef ESP_SEAL_H
#define ESP_SEAL_H

#include "base/packet.h"
#include "esp/sa.h"

/*
 * Seals n inner packets of one SA in place (n <= AEAD_BATCH_MAX): each packet then holds SPI to ICV; the caller adds
 * outer UDP and IP. Each packet needs PACKET_HEADROOM and PACKET_TAILROOM. why[i]: DROP_NONE, or why packet i must not
 * be sent (its bytes are then undefined). next_header is by the inner version: 4 (IPv4) or 41. Padding bytes are 1, 2,
 * 3, ... (2.4). Counts packets and bytes, never drops: those are the caller's to count.
 */
void esp_seal(struct sa *sa, struct packet *const *packets, enum drop *why, size_t n);

#endif
