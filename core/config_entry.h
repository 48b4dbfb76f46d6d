// SPDX-License-Identifier: Apache-2.0
//
// The readers of options that are more than one value: what their rows in the option table point
// to. Each reads `value` into `base`, the struct of the section the option stands in.
#ifndef RINGWAY_CORE_CONFIG_ENTRY_H
#define RINGWAY_CORE_CONFIG_ENTRY_H

#include "core/config_read.h"

// What one entry of `listen` says, before ":port" becomes two addresses.
struct listen_entry {
    const char *address;
    bool tls;
};

// A site while it is read: certificates and keys stand apart until they are paired.
struct site_entry {
    struct conf_site site; // first: the rows of a site's section know only this part
    struct conf_file *certificates, *keys;
    size_t certificate_count, key_count;
};

option_read_fn entry_listens_read;      // base: struct config
option_read_fn entry_certificates_read; // base: struct config
option_read_fn entry_sites_read;        // base: struct config
option_read_fn entry_upstreams_read;    // base: struct config
option_read_fn entry_aliases_read;      // base: struct conf_site
option_read_fn entry_routes_read;       // base: struct conf_site

#endif
