/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The attribute payload (14) of transaction exchanges: draft-ietf-ipsec-isakmp-mode-cfg-05 3.2, the attributes of XAUTH
 * (draft-ietf-ipsec-isakmp-xauth-06 6) and of Unity clients. Reader and writer side by side.
 */
#ifndef IKE_V1_ATTR_H
#define IKE_V1_ATTR_H

#include "ike/limits.h"
#include "policy/access.h"

enum v1_attr_kind { ATTR_REQUEST = 1, ATTR_REPLY = 2, ATTR_SET = 3, ATTR_ACK = 4 };

enum v1_attr_type {
    ATTR_IP4_ADDRESS = 1,
    ATTR_IP4_NETMASK = 2,
    ATTR_IP4_DNS = 3,
    ATTR_IP4_NBNS = 4,
    ATTR_ADDRESS_EXPIRY = 5,
    ATTR_APPLICATION_VERSION = 7,
    ATTR_IP6_ADDRESS = 8,
    ATTR_IP6_DNS = 10,

    XAUTH_TYPE = 16520,
    XAUTH_USER_NAME = 16521,
    XAUTH_USER_PASSWORD = 16522,
    XAUTH_PASSCODE = 16523,
    XAUTH_MESSAGE = 16524,
    XAUTH_CHALLENGE = 16525,
    XAUTH_DOMAIN = 16526,
    XAUTH_STATUS = 16527,
    XAUTH_NEXT_PIN = 16528,
    XAUTH_ANSWER = 16529,

    UNITY_BANNER = 28672,
    UNITY_SAVE_PASSWORD = 28673,
    UNITY_DEFAULT_DOMAIN = 28674,
    UNITY_SPLIT_DNS = 28675,
    UNITY_SPLIT_INCLUDE = 28676,
    UNITY_PFS = 28679,
};

enum { XAUTH_FAIL = 0, XAUTH_OK = 1 };                                     /* of XAUTH_STATUS */
enum { XAUTH_GENERIC = 0, XAUTH_CHAP = 1, XAUTH_OTP = 2, XAUTH_SKEY = 3 }; /* of XAUTH_TYPE */

struct v1_attr {
    uint16_t type;
    bool brief;         /* of the form that has a value of two bytes and no length (RFC 2408 3.3) */
    struct bytes value; /* borrowed */
};

struct v1_attrs {
    uint8_t kind; /* enum v1_attr_kind */
    uint16_t identifier;
    struct v1_attr items[ATTRS_MAX];
    size_t count;
};

/* ERR_MALFORMED: too short, a kind that there is not, an attribute beyond the end. ERR_LIMIT: over ATTRS_MAX. */
MUST_USE enum status v1_attrs_read(struct bytes body, struct v1_attrs *out);

/* The first of a type; NULL. */
const struct v1_attr *v1_attr_find(const struct v1_attrs *attrs, uint16_t type);

/* A number in either form, of one to four bytes; `otherwise` when it is absent, empty or longer. */
uint32_t v1_attr_number(const struct v1_attrs *attrs, uint16_t type, uint32_t otherwise);

/* The body of an attribute payload: its head, then any number of attributes. */
void v1_attrs_begin(struct writer *w, enum v1_attr_kind kind, uint16_t identifier);
void v1_attr_write(struct writer *w, uint16_t type, struct bytes value);
void v1_attr_write_brief(struct writer *w, uint16_t type, uint16_t value);

/* --- mode-config: what a client is given --- */

/* The client's question: everything that it understands. */
void v1_net_ask(struct writer *w, bool ip4, bool ip6);

/* The server's words: what `asked` names; NULL: all that there is (SET). Addresses of family 0 are left out. */
void v1_net_write(struct writer *w, const struct v1_attrs *asked, const struct access *access,
                  const struct address address[FAMILIES], uint32_t expiry_s, bool pfs);

/*
 * What a server has said. Attributes that we do not know are skipped, and lists are cut where they are full.
 * ERR_MALFORMED: an attribute of the wrong size, a mask with holes, an address that nobody can have (0, multicast,
 * loopback), a text with a NUL.
 */
MUST_USE enum status v1_net_read(const struct v1_attrs *attrs, struct virtual_net *out);

#endif
