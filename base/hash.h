/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Multilinear hashing of words of a fixed number. With random seeds, any two keys that differ share all 32 bits with a
 * chance of 2^-32, so nobody can choose keys that fall together without knowing the seeds (Lemire and Kaser, "Strongly
 * universal string hashing is fast", 2014).
 */
#ifndef BASE_HASH_H
#define BASE_HASH_H

#include <stddef.h>
#include <stdint.h>

#define HASH_SEEDS(words) (2 * (words) + 1)

/* seed: HASH_SEEDS(count) random words. Inline: with a constant count no loop remains. */
static inline uint32_t hash_words(const uint64_t *seed, const uint64_t *words, size_t count)
{
    uint64_t sum = seed[2 * count];
    for (size_t i = 0; i < count; i++)
        sum += (seed[2 * i] + (uint32_t)(words[i] >> 32)) * (seed[2 * i + 1] + (uint32_t)words[i]);
    return (uint32_t)(sum >> 32);
}

/* A place from 0 to size - 1, by the upper bits. */
static inline uint32_t hash_place(uint32_t hash, uint32_t size)
{
    return (uint32_t)((uint64_t)hash * size >> 32);
}

#endif
