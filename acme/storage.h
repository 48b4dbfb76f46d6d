// SPDX-License-Identifier: Apache-2.0
//
// The state folder (0700, files 0600):
//
//   lock                        held by the gateway that does the work
//   accounts/SERVER.json        account key and URL, by ACME server
//   accounts/SERVER.limits      what counts against its limits
//   certificates/NAME.pem       chain and key of a site in one file, as the gateway serves it
//   certificates/NAME.json      where it came from; the last attempt, its error, the next one
//   orders/NAME.json            an order under way and the key it is for
//   dns/NAME.json               records of dns-01 that are set and still to be removed
//   dns/NAME.persist            records that dns-persist-01 expects
//
// A file is written beside its place, synced, and renamed into it, and the folder is synced: after
// a crash there is the old file or the new one. Blocking.
#ifndef RINGWAY_ACME_STORAGE_H
#define RINGWAY_ACME_STORAGE_H

#include <jansson.h>
#include <limits.h>
#include <stdbool.h>

#include "acme/error.h"
#include "core/str.h"

enum acme_shelf { ACME_ACCOUNTS, ACME_CERTIFICATES, ACME_ORDERS, ACME_DNS };

// Makes the folders that are missing. 0 or negative errno.
int acme_storage_open(const char *state_dir, struct acme_error *error);

// Takes the lock without waiting. Its descriptor (closing it lets go), -EWOULDBLOCK when another
// process has it, or negative errno.
int acme_storage_lock(const char *state_dir);

// The path of NAME's file on a shelf; what may not be in a file name is replaced.
void acme_storage_path(const char *state_dir, enum acme_shelf shelf, const char *name,
                       const char *suffix, char path[PATH_MAX]);

// Puts `text` in the place of whatever is in the file. 0 or negative errno.
int acme_storage_write(const char *path, struct str text, struct acme_error *error);

// The file as a terminated text, which the caller wipes and frees; NULL: there is none, or it
// cannot be read (errno).
char *acme_storage_read(const char *path);

// The same with JSON. Reading: NULL, too, when it is no JSON object. Writing drops `json`.
int acme_storage_write_json(const char *path, json_t *json, struct acme_error *error);
json_t *acme_storage_read_json(const char *path);

// Removes the file, if it is there.
void acme_storage_remove(const char *path);

#endif
