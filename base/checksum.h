/* SPDX-License-Identifier: Apache-2.0 */
/* The internet checksum: a one's complement sum of 16-bit words (RFC 1071), and its update in place (RFC 1624). */
#ifndef BASE_CHECKSUM_H
#define BASE_CHECKSUM_H

#include <stddef.h>
#include <stdint.h>

/* The sum so far and len bytes more. Runs of odd length only at the end: the missing byte counts as zero. */
uint64_t checksum_add(uint64_t sum, const void *data, size_t len);

/* The same while the bytes are copied: one pass where there would be two. The runs do not overlap. */
uint64_t checksum_copy(uint64_t sum, void *to, const void *from, size_t len);

/* The two above without instructions that only some processors have: what they fall back to, and are tested against. */
uint64_t checksum_add_portable(uint64_t sum, const void *data, size_t len);
uint64_t checksum_copy_portable(uint64_t sum, void *to, const void *from, size_t len);

/* The sum in 16 bits; 0 only when every byte was zero. Twice the two halves are added to each other, in the upper half,
 * into which the lower one carries what the upper one loses. */
static inline uint16_t checksum_fold(uint64_t sum)
{
    sum += sum << 32 | sum >> 32;
    uint32_t half = (uint32_t)(sum >> 32);
    half += half << 16 | half >> 16;
    return (uint16_t)(half >> 16);
}

/* The field's value for a sum: 0xffff only when every byte was zero. A right packet, with its field, gives 0. */
static inline uint16_t checksum_finish(uint64_t sum)
{
    return (uint16_t)~checksum_fold(sum);
}

static inline uint16_t checksum_of(const void *data, size_t len)
{
    return checksum_finish(checksum_add(0, data, len));
}

/* The field's value after one 16-bit word under it changed: right if it was right, else as wrong as it was (RFC 1624,
 * equation 3). */
static inline uint16_t checksum_replace(uint16_t checksum, uint16_t before, uint16_t after)
{
    return checksum_finish((uint64_t)(uint16_t)~checksum + (uint16_t)~before + after);
}

#endif
