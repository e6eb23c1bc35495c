/* SPDX-License-Identifier: Apache-2.0 */
#include "base/checksum.h"

#include <endian.h>
#include <stdbool.h>
#include <string.h>

#if defined(__x86_64__)
#include <immintrin.h>
#endif

/*
 * Words in the machine's own order give the same sum with its bytes swapped (RFC 1071 2 (B)), and words of 32 bits the
 * same sum once it is folded, for 2^16 counts as 1 (2 (C)). So 64 bits are added at a time, as two halves, and what
 * they carry is kept above them: 2^32 words would have to come before it is lost.
 */
static inline uint64_t add_word(uint64_t sum, uint64_t word)
{
    return sum + (word & 0xffffffff) + (word >> 32);
}

/* From the machine's order to that of the network: to swap the bytes of a sum is to multiply it by 2^8, for 2^16 counts
 * as 1. Halved first, so that sums of sums have room, however long the data. */
static inline uint64_t ordered(uint64_t sum)
{
    sum = (sum >> 32) + (sum & 0xffffffff);
    return htobe16(1) == 1 ? sum : sum << 8;
}

/* The last bytes, fewer than 8: a call of memcpy for them would cost more than the header before them. */
static inline uint64_t add_tail(uint64_t sum, const uint8_t *at, size_t len)
{
    if ((len & 4) != 0) {
        uint32_t word;
        memcpy(&word, at, sizeof word);
        sum += word;
        at += sizeof word;
    }
    if ((len & 2) != 0) {
        uint16_t word;
        memcpy(&word, at, sizeof word);
        sum += word;
        at += sizeof word;
    }
    if ((len & 1) != 0)
        sum += htobe16((uint16_t)(*at << 8));
    return sum;
}

static inline uint64_t add_words(const uint8_t *at, size_t len)
{
    uint64_t sum = 0, word;
    for (; len >= sizeof word; at += sizeof word, len -= sizeof word) {
        memcpy(&word, at, sizeof word);
        sum = add_word(sum, word);
    }
    return add_tail(sum, at, len);
}

static inline uint64_t copy_words(uint8_t *to, const uint8_t *from, size_t len)
{
    uint64_t sum = 0, word;
    for (; len >= sizeof word; to += sizeof word, from += sizeof word, len -= sizeof word) {
        memcpy(&word, from, sizeof word);
        memcpy(to, &word, sizeof word);
        sum = add_word(sum, word);
    }
    if (len > 0)
        memcpy(to, from, len);
    return add_tail(sum, from, len);
}

uint64_t checksum_add_portable(uint64_t sum, const void *data, size_t len)
{
    return sum + ordered(add_words(data, len));
}

uint64_t checksum_copy_portable(uint64_t sum, void *to, const void *from, size_t len)
{
    return sum + ordered(copy_words(to, from, len));
}

#if defined(__x86_64__)

enum { WIDE = 32, UNROLLED = 2 * WIDE };

/* Four lanes of 64 bits, each fed with halves as add_word does. */
__attribute__((target("avx2"))) static inline __m256i add_wide(__m256i sum, __m256i words)
{
    const __m256i low = _mm256_set1_epi64x(0xffffffff);
    sum = _mm256_add_epi64(sum, _mm256_and_si256(words, low));
    return _mm256_add_epi64(sum, _mm256_srli_epi64(words, 32));
}

__attribute__((target("avx2"))) static inline uint64_t sum_of_lanes(__m256i a, __m256i b)
{
    uint64_t lanes[4];
    _mm256_storeu_si256((__m256i *)lanes, _mm256_add_epi64(a, b));
    return lanes[0] + lanes[1] + lanes[2] + lanes[3];
}

__attribute__((target("avx2"))) static uint64_t add_avx2(const uint8_t *at, size_t len)
{
    __m256i a = _mm256_setzero_si256(), b = a;
    for (; len >= UNROLLED; at += UNROLLED, len -= UNROLLED) {
        a = add_wide(a, _mm256_loadu_si256((const __m256i *)at));
        b = add_wide(b, _mm256_loadu_si256((const __m256i *)(at + WIDE)));
    }
    return sum_of_lanes(a, b) + add_words(at, len);
}

__attribute__((target("avx2"))) static uint64_t copy_avx2(uint8_t *to, const uint8_t *from, size_t len)
{
    __m256i a = _mm256_setzero_si256(), b = a;
    for (; len >= UNROLLED; to += UNROLLED, from += UNROLLED, len -= UNROLLED) {
        __m256i first = _mm256_loadu_si256((const __m256i *)from);
        __m256i second = _mm256_loadu_si256((const __m256i *)(from + WIDE));
        _mm256_storeu_si256((__m256i *)to, first);
        _mm256_storeu_si256((__m256i *)(to + WIDE), second);
        a = add_wide(a, first);
        b = add_wide(b, second);
    }
    return sum_of_lanes(a, b) + copy_words(to, from, len);
}

/* Headers are not worth it. */
static inline bool goes_wide(size_t len)
{
    return len >= UNROLLED && __builtin_cpu_supports("avx2");
}

uint64_t checksum_add(uint64_t sum, const void *data, size_t len)
{
    return sum + ordered(goes_wide(len) ? add_avx2(data, len) : add_words(data, len));
}

uint64_t checksum_copy(uint64_t sum, void *to, const void *from, size_t len)
{
    return sum + ordered(goes_wide(len) ? copy_avx2(to, from, len) : copy_words(to, from, len));
}

#else

uint64_t checksum_add(uint64_t sum, const void *data, size_t len)
{
    return checksum_add_portable(sum, data, len);
}

uint64_t checksum_copy(uint64_t sum, void *to, const void *from, size_t len)
{
    return checksum_copy_portable(sum, to, from, len);
}

#endif
