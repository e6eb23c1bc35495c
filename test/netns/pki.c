/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Makes the keys and certificates of one end-to-end test: netns_pki FOLDER <<LINES. Each line is a certificate, written
 * to FOLDER/NAME.pem and its key to FOLDER/NAME.key:
 *
 *   NAME|KIND|ISSUER or -|SUBJECT|ALT or -|BASIC or -|USAGE or -|PURPOSE or -|FROM|UNTIL      in days from today
 *   crl NAME|ISSUER|REVOKED,REVOKED or -
 *   p12 NAME|CERTIFICATE|OTHER|PASSWORD or -
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

#include "test/pki.h"

enum { MADE_MAX = 32, FIELDS = 10 };

static struct {
    char name[32];
    struct pki *pki;
} made[MADE_MAX];

static const char *folder;

static void die(const char *what)
{
    fprintf(stderr, "netns_pki: %s\n", what);
    exit(1);
}

static void save(const char *name, const char *suffix, struct bytes data)
{
    char path[512];
    snprintf(path, sizeof path, "%s/%s.%s", folder, name, suffix);
    FILE *file = fopen(path, "wb");
    if (file == NULL || fwrite(data.data, 1, data.len, file) != data.len || fclose(file) != 0 || chmod(path, 0600) != 0)
        die(path);
}

static struct pki *find(const char *name)
{
    for (size_t i = 0; i < MADE_MAX && made[i].pki != NULL; i++)
        if (strcmp(made[i].name, name) == 0)
            return made[i].pki;
    die(name);
    return NULL;
}

static enum pki_kind kind_of(const char *word)
{
    static const char *const words[] = {
        [PKI_EC256] = "ec256",     [PKI_EC384] = "ec384",     [PKI_EC521] = "ec521", [PKI_RSA2048] = "rsa2048",
        [PKI_RSA4096] = "rsa4096", [PKI_RSA1024] = "rsa1024", [PKI_EC224] = "ec224"};
    for (unsigned i = 0; i < sizeof words / sizeof *words; i++)
        if (strcmp(word, words[i]) == 0)
            return (enum pki_kind)i;
    die(word);
    return PKI_EC256;
}

static const char *or_null(const char *field)
{
    return strcmp(field, "-") == 0 ? NULL : field;
}

static void make_cert(char *const field[FIELDS])
{
    int64_t now = (int64_t)time(NULL);
    const struct pki_spec spec = {.kind = kind_of(field[1]),
                                  .subject = or_null(field[3]),
                                  .alt = or_null(field[4]),
                                  .basic = or_null(field[5]),
                                  .usage = or_null(field[6]),
                                  .purpose = or_null(field[7]),
                                  .from = now + atoll(field[8]) * PKI_DAY,
                                  .until = now + atoll(field[9]) * PKI_DAY};
    size_t i = 0;
    while (i < MADE_MAX - 1 && made[i].pki != NULL)
        i++;
    snprintf(made[i].name, sizeof made[i].name, "%s", field[0]);
    made[i].pki = pki_issue(&spec, or_null(field[2]) != NULL ? find(field[2]) : NULL, NULL);
    save(field[0], "pem", pki_cert_pem(made[i].pki));
    save(field[0], "key", pki_key_pem(made[i].pki, NULL));
}

static void make_crl(char *const field[FIELDS])
{
    struct pki *revoked[MADE_MAX];
    size_t count = 0;
    char *rest = NULL;
    for (char *name = strtok_r(field[2], ",", &rest); name != NULL && or_null(name) != NULL;
         name = strtok_r(NULL, ",", &rest))
        revoked[count++] = find(name);
    int64_t now = (int64_t)time(NULL);
    save(field[0] + 4, "crl", pki_crl_pem(find(field[1]), revoked, count, NULL, now - PKI_DAY, now + PKI_DAY));
}

static void make_pkcs12(char *const field[FIELDS])
{
    struct pki *other = find(field[2]);
    save(field[0] + 4, "p12", pki_pkcs12(find(field[1]), &other, 1, or_null(field[3])));
}

int main(int argc, char **argv)
{
    char line[1024];
    if (argc != 2)
        die("usage: netns_pki FOLDER");
    folder = argv[1];
    while (fgets(line, sizeof line, stdin) != NULL) {
        char *field[FIELDS] = {NULL}, *rest = line;
        size_t count = 0;
        line[strcspn(line, "\n")] = '\0';
        for (char *one; count < FIELDS && (one = strsep(&rest, "|")) != NULL;)
            field[count++] = one;
        if (count == 3 && strncmp(field[0], "crl ", 4) == 0)
            make_crl(field);
        else if (count == 4 && strncmp(field[0], "p12 ", 4) == 0)
            make_pkcs12(field);
        else if (count == FIELDS)
            make_cert(field);
        else
            die(line);
    }
    return 0;
}
