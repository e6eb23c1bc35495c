/* SPDX-License-Identifier: Apache-2.0 */
#include "test/unit/ike/ike_test.h"

#include "crypto/cipher.h"
#include "ike/v1_message.h"

enum { ID = 0x01020304 };

/* A bare engine and SA: what building and opening of messages needs, and no more. */
struct bench {
    struct vault *vault;
    struct ike ike;
    struct ike_sa sa;
    uint8_t iv[IV_MAX];
    uint8_t wire[IKE_SEND_MAX];
    size_t wire_len;
};

static void fill_keys(struct bench *b, enum encr encr, uint16_t bits)
{
    uint8_t shared[32] = {1}, nonce[16] = {2};
    const struct proposal suite = {.encr = (uint16_t)encr, .key_bits = bits, .prf = PRF_HMAC_SHA2_256};
    const struct v1_phase1_values v = {
        .spi_i = 1, .spi_r = 2, .nonce_i = bytes_of(nonce, sizeof nonce), .nonce_r = bytes_of(nonce, sizeof nonce)};
    assert_int_equal(v1_keys_derive(b->vault, &suite, bytes_of("psk", 3), &v, bytes_of(shared, 32), &b->sa.keys), OK);
}

static int open_bench(void **state)
{
    struct bench *b = calloc(1, sizeof *b);
    if (b == NULL || (b->vault = vault_new()) == NULL)
        return -1;
    b->sa.spi_i = 0x1111111111111111;
    b->sa.spi_r = 0x2222222222222222;
    fill_keys(b, ENCR_AES_CBC, 256);
    memset(b->iv, 0x33, sizeof b->iv);
    *state = b;
    return 0;
}

static int close_bench(void **state)
{
    struct bench *b = *state;
    v1_keys_free(&b->sa.keys);
    size_t live = vault_live(b->vault);
    vault_free(b->vault);
    free(b);
    return live != 0;
}

static void keep(struct bench *b, const struct v1_message *m)
{
    memcpy(b->wire, m->w.data, m->w.len);
    b->wire_len = m->w.len;
}

/* An informational message with a notification-like payload of n bytes. Leaves the IV that follows in next. */
static void seal(struct bench *b, size_t n, uint8_t next[IV_MAX])
{
    static const uint8_t zeros[512];
    struct v1_message m = v1_message_begin_hashed(&b->ike, &b->sa, EXCHANGE_INFORMATIONAL, ID);
    chain_add(&m.chain, &m.w, PAYLOAD_NOTIFY, bytes_of(zeros, n));
    memcpy(next, b->iv, IV_MAX);
    assert_int_equal(v1_message_seal_hashed(&b->sa.keys, next, ID, (struct bytes){0}, &m), OK);
    keep(b, &m);
}

static enum status open_wire(struct bench *b, struct payloads *p, uint8_t next[IV_MAX])
{
    struct ike_header h;
    uint8_t *exact = exact_copy(b->wire, b->wire_len);
    enum status status = header_read(bytes_of(exact, b->wire_len), &h);
    if (status == OK)
        status = v1_message_decrypt(&b->ike, &b->sa.keys, &h, b->iv, bytes_of(exact, b->wire_len), p, next);
    free(exact);
    return status;
}

static bool verifies(struct bench *b, const struct payloads *p)
{
    uint8_t expected[HASH_MAX];
    if (p->count == 0 || p->items[0].type != PAYLOAD_HASH)
        return false;
    assert_int_equal(v1_hash12(&b->sa.keys, ID, (struct bytes){0}, v1_behind_hash(p), expected), OK);
    return v1_hash_equal(&b->sa.keys, p, expected);
}

static void set_length(struct bench *b, size_t len)
{
    b->wire_len = len;
    store_u32(b->wire + IKE_HEADER_LENGTH_AT, (uint32_t)len);
}

static void a_message_that_is_not_encrypted_is_malformed(void **state)
{
    struct bench *b = *state;
    struct payloads p;
    uint8_t next[IV_MAX];
    seal(b, 20, next);
    b->wire[19] &= (uint8_t)~FLAG_ENCRYPTION;
    assert_int_equal(open_wire(b, &p, next), ERR_MALFORMED);
}

static void every_length_that_is_no_multiple_of_the_block(void **state)
{
    struct bench *b = *state;
    struct payloads p;
    uint8_t next[IV_MAX];
    seal(b, 40, next);
    size_t whole = b->wire_len;
    for (size_t len = IKE_HEADER_LEN; len < whole; len++) {
        set_length(b, len);
        /* A cut at a block boundary decrypts, but its chain or its hash is broken. */
        enum status status = open_wire(b, &p, next);
        if (len == IKE_HEADER_LEN || (len - IKE_HEADER_LEN) % 16 != 0)
            assert_int_equal(status, ERR_MALFORMED);
        assert_false(status == OK && verifies(b, &p));
    }
}

/* B12: each bit of the ciphertext, of the IV and of the hash counts; and a failure leaves the IV as it was. */
static void b12_any_flipped_bit_fails(void **state)
{
    struct bench *b = *state;
    struct payloads p;
    uint8_t next[IV_MAX], before[IV_MAX];
    seal(b, 12, next); /* HASH 36 + 16: the last block ends with bytes that the hash covers */
    memcpy(before, b->iv, sizeof before);
    for (size_t bit = IKE_HEADER_LEN * 8; bit < b->wire_len * 8; bit++) {
        b->wire[bit / 8] ^= (uint8_t)(1 << bit % 8);
        assert_false(open_wire(b, &p, next) == OK && verifies(b, &p));
        b->wire[bit / 8] ^= (uint8_t)(1 << bit % 8);
    }
    assert_memory_equal(b->iv, before, sizeof before);
    assert_int_equal(open_wire(b, &p, next), OK);
    assert_true(verifies(b, &p));
    b->iv[8] ^= 1; /* a byte of the hash; the header before it is not covered */
    assert_false(open_wire(b, &p, next) == OK && verifies(b, &p));
}

static void a_hash_of_a_wrong_length_is_wrong(void **state)
{
    struct bench *b = *state;
    uint8_t expected[HASH_MAX] = {0}, got[HASH_MAX] = {0};
    for (size_t len = 0; len <= HASH_MAX; len++) {
        struct payloads p = {.count = 1, .items[0] = {.type = PAYLOAD_HASH, .body = bytes_of(got, len)}};
        assert_int_equal(v1_hash_equal(&b->sa.keys, &p, expected), len == 32);
    }
    struct payloads none = {0};
    assert_false(v1_hash_equal(&b->sa.keys, &none, expected));
}

static void a_message_that_does_not_fit_is_not_sealed(void **state)
{
    struct bench *b = *state;
    static const uint8_t big[IKE_SEND_MAX];
    uint8_t iv[IV_MAX], before[IV_MAX];
    for (size_t n = IKE_SEND_MAX - 128; n <= IKE_SEND_MAX; n++) {
        struct v1_message m = v1_message_begin_hashed(&b->ike, &b->sa, EXCHANGE_QUICK, ID);
        chain_add(&m.chain, &m.w, PAYLOAD_VENDOR, bytes_of(big, n));
        memset(iv, 7, sizeof iv);
        memcpy(before, iv, sizeof iv);
        size_t padded = (36 + 4 + n + 15) / 16 * 16;
        bool fits = IKE_HEADER_LEN + padded <= IKE_SEND_MAX;
        assert_int_equal(v1_message_seal_hashed(&b->sa.keys, iv, ID, (struct bytes){0}, &m), fits ? OK : ERR_LIMIT);
        if (!fits)
            assert_memory_equal(iv, before, sizeof iv);
    }
}

static void what_is_sealed_opens(void **state)
{
    struct bench *b = *state;
    static const struct {
        enum encr encr;
        uint16_t bits;
    } ciphers[] = {{ENCR_AES_CBC, 128}, {ENCR_AES_CBC, 192}, {ENCR_AES_CBC, 256}, {ENCR_3DES, 0}};
    for (size_t c = 0; c < COUNT(ciphers); c++) {
        fill_keys(b, ciphers[c].encr, ciphers[c].bits);
        for (size_t n = 0; n < 64; n++) {
            struct payloads p;
            uint8_t next[IV_MAX], theirs[IV_MAX];
            size_t block = v1_block_len(&b->sa.keys);
            seal(b, n, next);
            assert_int_equal((b->wire_len - IKE_HEADER_LEN) % block, 0);
            assert_true(b->wire_len - IKE_HEADER_LEN - (36 + 4 + n) < block);
            assert_int_equal(open_wire(b, &p, theirs), OK);
            assert_int_equal(p.count, 2);
            assert_int_equal(p.items[1].body.len, n);
            assert_true(verifies(b, &p));
            assert_memory_equal(theirs, next, block);                        /* both ends go on alike */
            assert_memory_equal(next, b->wire + b->wire_len - block, block); /* the last block sent */
        }
    }
}

/* HASH(1), HASH(2), HASH(3) of RFC 2409 5.5 from their definition, by prf_parts alone. */
static void phase_2_hashes(void **state)
{
    struct bench *b = *state;
    uint8_t got[HASH_MAX], want[HASH_MAX];
    const struct bytes ni = bytes_of("nonce of i", 10), nr = bytes_of("nonce of r", 10), rest = bytes_of("rest", 4);
    const struct bytes id = bytes_of("\x01\x02\x03\x04", 4), zero = bytes_of("", 1);
    struct bytes key = secret_bytes(&b->sa.keys.skeyid_a);
    assert_int_equal(prf_parts(PRF_HMAC_SHA2_256, key, (const struct bytes[]){id, rest}, 2, want), OK);
    assert_int_equal(v1_hash12(&b->sa.keys, ID, (struct bytes){0}, rest, got), OK);
    assert_memory_equal(got, want, 32);
    assert_int_equal(prf_parts(PRF_HMAC_SHA2_256, key, (const struct bytes[]){id, ni, rest}, 3, want), OK);
    assert_int_equal(v1_hash12(&b->sa.keys, ID, ni, rest, got), OK);
    assert_memory_equal(got, want, 32);
    assert_int_equal(prf_parts(PRF_HMAC_SHA2_256, key, (const struct bytes[]){zero, id, ni, nr}, 4, want), OK);
    assert_int_equal(v1_hash3(&b->sa.keys, ID, ni, nr, got), OK);
    assert_memory_equal(got, want, 32);
}

static void a_clear_message_has_its_header(void **state)
{
    struct bench *b = *state;
    struct ike_header h;
    struct v1_message m = v1_message_begin(&b->ike, &b->sa, EXCHANGE_MAIN, 0, false);
    chain_add(&m.chain, &m.w, PAYLOAD_KE, bytes_of("ke", 2));
    assert_int_equal(v1_message_finish(&m), OK);
    assert_int_equal(header_read(writer_bytes(&m.w), &h), OK);
    assert_true(h.spi_i == b->sa.spi_i && h.spi_r == b->sa.spi_r);
    assert_int_equal(h.next_payload, PAYLOAD_KE);
    assert_int_equal(h.major, 1);
    assert_int_equal(h.flags, 0);
    assert_int_equal(h.exchange, EXCHANGE_MAIN);
}

/* Writes the padding of a sealed message anew: `text` bytes of payloads, then these. */
static void repad(struct bench *b, size_t text, const uint8_t *padding, size_t len)
{
    struct bytes key = secret_bytes(&b->sa.keys.cipher);
    uint8_t *at = b->wire + IKE_HEADER_LEN;
    assert_int_equal(cbc_decrypt(b->sa.keys.encr, key, b->iv, at, b->wire_len - IKE_HEADER_LEN), OK);
    memcpy(at + text, padding, len);
    assert_int_equal(cbc_encrypt(b->sa.keys.encr, key, b->iv, at, text + len), OK);
    set_length(b, IKE_HEADER_LEN + text + len);
}

static enum status open_padded(struct bench *b, size_t n, const uint8_t *padding, size_t len)
{
    struct payloads p;
    uint8_t next[IV_MAX];
    seal(b, n, next);
    repad(b, 36 + 4 + n, padding, len);
    return open_wire(b, &p, next);
}

static void less_than_a_block_of_padding_passes(void **state)
{
    struct bench *b = *state;
    uint8_t padding[15];
    memset(padding, 0xa5, sizeof padding);
    for (size_t len = 0; len < 16; len++)
        assert_int_equal(open_padded(b, 24 - len, padding, len), OK);
}

static void a_whole_block_of_padding_says_that_it_is_padding(void **state)
{
    struct bench *b = *state;
    uint8_t padding[16] = {0};
    assert_int_equal(open_padded(b, 8, padding, 16), OK);
    for (unsigned first = 0; first < 2; first++)
        for (unsigned last = 0; last < 256; last++) {
            padding[0] = (uint8_t)first;
            padding[15] = (uint8_t)last;
            bool sound = last == 16 || last == 15 || (first == 0 && last == 0);
            assert_int_equal(open_padded(b, 8, padding, 16), sound ? OK : ERR_MALFORMED);
        }
}

static void more_than_a_block_of_padding_is_malformed(void **state)
{
    struct bench *b = *state;
    static const uint8_t lasts[] = {0, 15, 16, 31, 32};
    for (size_t len = 17; len <= 48; len++)
        for (size_t i = 0; i < COUNT(lasts); i++) {
            uint8_t padding[48] = {0};
            padding[len - 1] = lasts[i];
            assert_int_equal(open_padded(b, 56 - len, padding, len), ERR_MALFORMED);
        }
}

/* Nobody on the way can push the IV of an exchange aside. */
static void an_appended_block_is_refused(void **state)
{
    struct bench *b = *state;
    for (unsigned byte = 0; byte < 64; byte++)
        for (size_t n = 0; n < 24; n++) {
            struct payloads p;
            uint8_t next[IV_MAX];
            seal(b, n, next);
            assert_int_equal(open_wire(b, &p, next), OK);
            memset(b->wire + b->wire_len, (int)byte, 16);
            set_length(b, b->wire_len + 16);
            enum status status = open_wire(b, &p, next);
            /* One in 128 blocks ends like padding, where the message had none of its own. */
            if (n != 8)
                assert_int_equal(status, ERR_MALFORMED);
            else if (byte == 0)
                assert_int_equal(status, ERR_MALFORMED);
        }
}

/* Version and flags are nobody's: whoever changes them makes no other message. All else does. */
static void a_repeat_is_known_by_all_but_version_and_flags(void **state)
{
    struct bench *b = *state;
    uint8_t message[IKE_HEADER_LEN + 9];
    memset(message, 0x5a, sizeof message);
    for (size_t len = IKE_HEADER_LEN; len <= sizeof message; len++) {
        const uint64_t digest = v1_message_digest(&b->ike, bytes_of(message, len));
        for (size_t at = 0; at < len; at++) {
            message[at] ^= 1;
            bool same = v1_message_digest(&b->ike, bytes_of(message, len)) == digest;
            message[at] ^= 1;
            if (same != (at == IKE_HEADER_VERSION_AT || at == IKE_HEADER_FLAGS_AT))
                fail_msg("byte %zu of %zu", at, len);
        }
    }
    assert_int_not_equal(v1_message_digest(&b->ike, bytes_of(message, sizeof message)),
                         v1_message_digest(&b->ike, bytes_of(message, sizeof message - 1)));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_message_that_is_not_encrypted_is_malformed, open_bench, close_bench),
        cmocka_unit_test_setup_teardown(every_length_that_is_no_multiple_of_the_block, open_bench, close_bench),
        cmocka_unit_test_setup_teardown(b12_any_flipped_bit_fails, open_bench, close_bench),
        cmocka_unit_test_setup_teardown(a_hash_of_a_wrong_length_is_wrong, open_bench, close_bench),
        cmocka_unit_test_setup_teardown(a_message_that_does_not_fit_is_not_sealed, open_bench, close_bench),
        cmocka_unit_test_setup_teardown(less_than_a_block_of_padding_passes, open_bench, close_bench),
        cmocka_unit_test_setup_teardown(a_whole_block_of_padding_says_that_it_is_padding, open_bench, close_bench),
        cmocka_unit_test_setup_teardown(more_than_a_block_of_padding_is_malformed, open_bench, close_bench),
        cmocka_unit_test_setup_teardown(an_appended_block_is_refused, open_bench, close_bench),
        cmocka_unit_test_setup_teardown(what_is_sealed_opens, open_bench, close_bench),
        cmocka_unit_test_setup_teardown(phase_2_hashes, open_bench, close_bench),
        cmocka_unit_test_setup_teardown(a_clear_message_has_its_header, open_bench, close_bench),
        cmocka_unit_test_setup_teardown(a_repeat_is_known_by_all_but_version_and_flags, open_bench, close_bench),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
