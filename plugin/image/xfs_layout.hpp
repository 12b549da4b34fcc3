// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "image/xfs.hpp"

#include <array>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <cstring>

// An xfs of version 5 on disk. Fields have the names that xfs_db prints, which are those of "XFS
// Algorithms & Data Structures" without their prefixes. A field that is not named here is zero in
// what the plugin makes. Sizes are in blocks if nothing else is said.
//
// The disk is divided into allocation groups of equal size; only the last one may be shorter. An
// empty group begins with the blocks of FixedBlock. The log follows in the middle group, and then
// the four blocks of the free list. Group 0 has the first chunk of inodes at block 16.
namespace snapclone::image::layout {

inline constexpr std::uint32_t kBlock = 4096;  // bytes; sectors have the same size
inline constexpr std::uint32_t kBlockShift = 12;

enum FixedBlock : std::uint32_t {
  kSuperblock,  // a copy of the one in group 0, which alone is kept up to date
  kAgf,         // FreeSpace
  kAgi,         // Inodes
  kAgfl,        // FreeList
  kBnobt,       // the root of a tree of free extents, by place. In an empty group a root is all
  kCntbt,       // the same extents, by length
  kInobt,       // chunks of inodes
  kFinobt,      // those of them with a free inode
  kRefcountbt,  // extents that files share
  kFixedBlocks
};
inline constexpr std::uint32_t kFreeListBlocks = 4;
inline constexpr std::uint32_t kLogBlocks = 16384;
inline constexpr std::uint32_t kInode = 512;  // bytes
inline constexpr std::uint32_t kInodeShift = 9;
inline constexpr std::uint32_t kInodesPerBlock = kBlock / kInode;
inline constexpr std::uint32_t kChunk = 64;  // inodes
inline constexpr std::uint32_t kChunkBlocks = kChunk / kInodesPerBlock;
inline constexpr std::uint32_t kFirstChunk = 16;  // a multiple of kChunkBlocks
inline constexpr std::uint32_t kUnlinkedLists = 64;
inline constexpr std::uint32_t kLeastGroup = 4096;           // 16 MiB
inline constexpr std::uint32_t kLargestGroup = 1U << 28U;    // 1 TiB
inline constexpr std::uint64_t kNone64 = ~std::uint64_t{0};  // no block, no inode
inline constexpr std::uint32_t kNone = ~std::uint32_t{0};

using Block = std::array<char, kBlock>;

// An integer as xfs writes it, the highest byte first.
template <std::unsigned_integral T>
class Big {
 public:
  Big& operator=(T value) {
    for (std::size_t i = sizeof(T); i-- > 0; value = static_cast<T>(value >> 8U)) {
      bytes_[i] = static_cast<std::uint8_t>(value);
    }
    return *this;
  }
  T get() const {
    T value = 0;
    for (std::uint8_t byte : bytes_) value = static_cast<T>(value << 8U | byte);
    return value;
  }

 private:
  std::array<std::uint8_t, sizeof(T)> bytes_{};
};
using Big16 = Big<std::uint16_t>;
using Big32 = Big<std::uint32_t>;
using Big64 = Big<std::uint64_t>;
using Byte = std::uint8_t;

// CRC32C of a block, or inode, that has the checksum itself among its bytes, where it counts as
// zero. It is the only number whose lowest byte comes first.
using Checksum = std::array<std::uint8_t, 4>;
Checksum checksum_of(char const* bytes, std::size_t size, std::size_t checksum_at);

// Puts a header with its checksum over `size` bytes at their beginning. The rest is there already.
template <class Header>
void seal(char* bytes, std::size_t size, Header const& header) {
  static_assert(sizeof header.crc == sizeof(Checksum));
  std::memcpy(bytes, &header, sizeof header);
  constexpr std::size_t at = offsetof(Header, crc);
  Checksum crc = checksum_of(bytes, size, at);
  std::memcpy(bytes + at, crc.data(), crc.size());
}

struct Superblock {
  static constexpr std::uint32_t kMagic = 0x58465342;  // XFSB
  // Version 5; with NLINK, ALIGN, LOGV2, EXTFLG, SECTOR, DIRV2 and MOREBITS.
  static constexpr std::uint16_t kVersion = 0xbca5;
  static constexpr std::uint32_t kFeatures2 = 0x18a;           // LAZYSBCOUNT, ATTR2, PROJID32, CRC
  static constexpr std::uint32_t kRoCompat = 0x1 | 0x4 | 0x8;  // FINOBT, REFLINK, INOBTCNT
  static constexpr std::uint32_t kIncompat = 0x1 | 0x2 | 0x8;  // FTYPE, SPINODES, BIGTIME

  Big32 magicnum;
  Big32 blocksize;  // bytes
  Big64 dblocks;
  Big64 rblocks, rextents;  // of a realtime device: none
  Uuid uuid;
  Big64 logstart;                  // group << agblklog | block in it
  Big64 rootino, rbmino, rsumino;  // the root, and the bitmap and summary of the realtime device
  Big32 rextsize;
  Big32 agblocks;  // in a group
  Big32 agcount;
  Big32 rbmblocks;
  Big32 logblocks;
  Big16 versionnum;
  Big16 sectsize;   // bytes
  Big16 inodesize;  // bytes
  Big16 inopblock;
  std::array<char, 12> fname;
  Byte blocklog, sectlog, inodelog, inopblog;  // logarithms of the above
  Byte agblklog;                               // rounded up
  Byte rextslog;
  Byte inprogress;      // 1 while it is made, and for ever in a copy
  Byte imax_pct;        // of the space, that inodes may take
  Big64 icount, ifree;  // inodes
  Big64 fdblocks;       // free
  Big64 frextents;
  Big64 uquotino, gquotino;
  Big16 qflags;
  Byte flags, shared_vn;
  Big32 inoalignmt;
  Big32 unit, width;
  Byte dirblklog;
  Byte logsectlog;
  Big16 logsectsize;               // bytes
  Big32 logsunit;                  // bytes
  Big32 features2, bad_features2;  // the same twice
  Big32 features_compat, features_ro_compat, features_incompat, features_log_incompat;
  Checksum crc;
  Big32 spino_align;
  Big64 pquotino;
  Big64 lsn;
  Uuid meta_uuid;
};
static_assert(offsetof(Superblock, crc) == 224 && sizeof(Superblock) == 264);

// AGF: the free space of a group.
struct FreeSpace {
  static constexpr std::uint32_t kMagic = 0x58414746;  // XAGF

  Big32 magicnum, versionnum;
  Big32 seqno;   // of the group
  Big32 length;  // of the group
  Big32 bnoroot, cntroot, rmaproot;
  Big32 bnolevel, cntlevel, rmaplevel;  // 1 for a tree that is a root alone
  Big32 flfirst, fllast, flcount;       // of the free list, which is a ring
  Big32 freeblks;                       // without the free list
  Big32 longest;
  Big32 btreeblks;
  Uuid uuid;
  Big32 rmapblocks, refcntblocks;
  Big32 refcntroot, refcntlevel;
  std::array<Big64, 14> spare;
  Big64 lsn;
  Checksum crc;
};
static_assert(offsetof(FreeSpace, crc) == 216);

// AGI: the inodes of a group.
struct Inodes {
  static constexpr std::uint32_t kMagic = 0x58414749;  // XAGI

  Big32 magicnum, versionnum;
  Big32 seqno, length;  // of the group
  Big32 count;          // inodes
  Big32 root, level;
  Big32 freecount;
  Big32 newino;  // the chunk made last
  Big32 dirino;
  std::array<Big32, kUnlinkedLists> unlinked;
  Uuid uuid;
  Checksum crc;
  Big32 pad;
  Big64 lsn;
  Big32 free_root, free_level;
  Big32 ino_blocks, fino_blocks;  // of the two trees
};
static_assert(offsetof(Inodes, crc) == 312);

// AGFL: blocks put aside, so that the trees can always grow.
struct FreeList {
  static constexpr std::uint32_t kMagic = 0x5841464c;  // XAFL

  Big32 magicnum;
  Big32 seqno;
  Uuid uuid;
  Big64 lsn;
  Checksum crc;
  std::array<Big32, (kBlock - 36) / 4> bno;
};
static_assert(offsetof(FreeList, crc) == 32 && sizeof(FreeList) == kBlock);

// A block of a tree within a group; records follow.
struct TreeBlock {
  static constexpr std::uint32_t kBnobtMagic = 0x41423342;       // AB3B
  static constexpr std::uint32_t kCntbtMagic = 0x41423343;       // AB3C
  static constexpr std::uint32_t kInobtMagic = 0x49414233;       // IAB3
  static constexpr std::uint32_t kFinobtMagic = 0x46494233;      // FIB3
  static constexpr std::uint32_t kRefcountbtMagic = 0x52334643;  // R3FC

  Big32 magic;
  Big16 level, numrecs;
  Big32 leftsib, rightsib;
  Big64 bno;  // where the block itself lies, in units of 512 bytes
  Big64 lsn;
  Uuid uuid;
  Big32 owner;  // the group
  Checksum crc;
};
static_assert(offsetof(TreeBlock, crc) == 52 && sizeof(TreeBlock) == 56);

// A record of bnobt and cntbt.
struct FreeExtent {
  Big32 startblock, blockcount;
};

// A record of inobt and finobt.
struct InodeChunk {
  Big32 startino;
  Big16 holemask;  // blocks that a sparse chunk lacks
  Byte count, freecount;
  Big64 free;  // a bit for each inode, the lowest for the first
};
static_assert(sizeof(InodeChunk) == 16);

struct Inode {
  static constexpr std::uint16_t kMagic = 0x494e;   // IN
  static constexpr Byte kLocal = 1, kExtents = 2;   // formats of a fork
  static constexpr std::uint16_t kNewBitmap = 0x4;  // flags, of the realtime bitmap
  static constexpr std::uint64_t kBigTime = 0x8;    // flags2

  Big16 magic;
  Big16 mode;
  Byte version, format;
  Big16 onlink;
  Big32 uid, gid;
  Big32 nlink;
  Big16 projid_lo, projid_hi;
  std::array<Byte, 6> pad;
  Big16 flushiter;
  Big64 atime, mtime,
      ctime;   // with kBigTime: nanoseconds since 1901, else seconds and those since 1970
  Big64 size;  // bytes
  Big64 nblocks;
  Big32 extsize;
  Big32 nextents;
  Big16 naextents;
  Byte forkoff, aformat;
  Big32 dmevmask;
  Big16 dmstate;
  Big16 flags;
  Big32 gen;
  Big32 next_unlinked;
  Checksum crc;
  Big64 change_count;
  Big64 lsn;
  Big64 flags2;
  Big32 cowextsize;
  std::array<Byte, 12> pad2;
  Big64 crtime;
  Big64 inumber;
  Uuid uuid;
};
static_assert(offsetof(Inode, crc) == 100 && sizeof(Inode) == 176);

// A directory in the inode itself, without entries.
struct EmptyDirectory {
  Byte count, i8count;
  Big32 parent;
};
static_assert(sizeof(EmptyDirectory) == 6);

// The log is a ring of units of 512 bytes, and each begins with the number of the turn in which it
// was written. A record's header keeps the words that were there.
inline constexpr std::uint32_t kLogUnit = 512;

struct LogRecord {
  static constexpr std::uint32_t kMagic = 0xfeedbabe;
  static constexpr std::uint32_t kLinuxLittleEndian = 1;  // fmt, of what is logged
  static constexpr std::uint32_t kBufferSize = 32768;

  Big32 magicno;
  Big32 cycle;
  Big32 version;
  Big32 len;            // bytes, without the header
  Big64 lsn, tail_lsn;  // cycle << 32 | unit
  Checksum crc;         // 0: not computed
  Big32 prev_block;
  Big32 num_logops;
  std::array<Big32, 64> cycle_data;
  Big32 fmt;
  Uuid fs_uuid;
  Big32 size;  // bytes
};
static_assert(offsetof(LogRecord, fmt) == 300 && sizeof(LogRecord) == 324);

// The operation that says there is nothing to recover: the file system was unmounted.
struct UnmountOperation {
  static constexpr std::uint32_t kTid = 0xb0c0d0d0;
  static constexpr Byte kLog = 0xaa;      // clientid
  static constexpr Byte kUnmount = 0x20;  // flags

  Big32 tid;
  Big32 len;  // bytes
  Byte clientid, flags;
  Big16 res2;
  std::array<char, 8> text;
};
static_assert(sizeof(UnmountOperation) == 20);

}  // namespace snapclone::image::layout
