// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "sys/file.hpp"

namespace snapclone::tree {

namespace fs = boost::filesystem;

// Makes every file and directory of a tree durable, one by one (fsync(2)). So a failed write of
// this tree is found, and nobody else's is. The kernel tells of a failed write once, and only while
// it keeps the file in memory: a second call may find nothing.
//
// The walk follows no link, crosses no mount (EXDEV), and opens no device, fifo or socket. An entry
// that vanishes meanwhile is left out. It waits for nobody's lease (EAGAIN).
//
// Throws sys::Error that names the file.
void sync_tree(fs::path const& root);

}  // namespace snapclone::tree
