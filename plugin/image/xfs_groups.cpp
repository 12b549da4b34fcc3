// SPDX-License-Identifier: Apache-2.0
#include "image/xfs_groups.hpp"

#include <cstring>

#include <sys/stat.h>

namespace snapclone::image::layout {
namespace {

constexpr std::uint64_t kGiB = std::uint64_t{1} << 30U;
constexpr std::uint64_t kRootInode = std::uint64_t{kFirstChunk} * kInodesPerBlock;
constexpr std::uint32_t kUsedInodes = 3;  // the root, and the realtime bitmap and summary
constexpr std::uint64_t kFreeInodes = kNone64 << kUsedInodes;
constexpr std::uint64_t kFrom1901 = (std::uint64_t{1} << 31U) * 1'000'000'000;  // to 1970

struct Extent {
  std::uint32_t start;
  std::uint32_t length;
};

std::uint32_t free_list_of(Geometry const& geometry, std::uint32_t group) {
  return kFixedBlocks + (group == geometry.log_group() ? kLogBlocks : 0);
}

// By place, and by length as well.
std::vector<Extent> free_extents(Geometry const& geometry, std::uint32_t group) {
  std::uint32_t const first = free_list_of(geometry, group) + kFreeListBlocks;
  std::uint32_t const end = geometry.length_of(group);
  if (group != 0) return {{first, end - first}};
  constexpr std::uint32_t after_chunk = kFirstChunk + kChunkBlocks;
  return {{first, kFirstChunk - first}, {after_chunk, end - after_chunk}};
}

// The share of the space, in percent, that inodes may take.
Byte inode_share(std::uint64_t blocks) {
  std::uint64_t const bytes = blocks * kBlock;
  return bytes < 1024 * kGiB ? 25 : bytes < 50 * 1024 * kGiB ? 5 : 1;
}

FreeSpace free_space(Geometry const& geometry, Uuid const& uuid, std::uint32_t group) {
  FreeSpace space{};
  space.magicnum = FreeSpace::kMagic;
  space.versionnum = 1;
  space.seqno = group;
  space.length = geometry.length_of(group);
  space.bnoroot = kBnobt;
  space.cntroot = kCntbt;
  space.bnolevel = 1;
  space.cntlevel = 1;
  space.flfirst = 1;
  space.fllast = kFreeListBlocks;
  space.flcount = kFreeListBlocks;
  std::uint32_t free = 0;
  for (Extent extent : free_extents(geometry, group)) free += extent.length;
  space.freeblks = free;
  space.longest = free_extents(geometry, group).back().length;
  space.uuid = uuid;
  space.refcntblocks = 1;
  space.refcntroot = kRefcountbt;
  space.refcntlevel = 1;
  return space;
}

Inodes inodes(Geometry const& geometry, Uuid const& uuid, std::uint32_t group) {
  Inodes inodes{};
  inodes.magicnum = Inodes::kMagic;
  inodes.versionnum = 1;
  inodes.seqno = group;
  inodes.length = geometry.length_of(group);
  inodes.count = group == 0 ? kChunk : 0;
  inodes.root = kInobt;
  inodes.level = 1;
  inodes.freecount = group == 0 ? kChunk - kUsedInodes : 0;
  inodes.newino = group == 0 ? static_cast<std::uint32_t>(kRootInode) : kNone;
  inodes.dirino = kNone;
  for (Big32& list : inodes.unlinked) list = kNone;
  inodes.uuid = uuid;
  inodes.free_root = kFinobt;
  inodes.free_level = 1;
  inodes.ino_blocks = 1;
  inodes.fino_blocks = 1;
  return inodes;
}

FreeList free_list(Geometry const& geometry, Uuid const& uuid, std::uint32_t group) {
  FreeList list{};
  list.magicnum = FreeList::kMagic;
  list.seqno = group;
  list.uuid = uuid;
  for (Big32& entry : list.bno) entry = kNone;
  for (std::uint32_t i = 0; i < kFreeListBlocks; ++i) {
    list.bno[1 + i] = free_list_of(geometry, group) + i;
  }
  return list;
}

template <class Record>
void write_tree(Block& block, TreeBlock header, std::vector<Record> const& records) {
  header.numrecs = static_cast<std::uint16_t>(records.size());
  header.leftsib = kNone;
  header.rightsib = kNone;
  std::memcpy(block.data() + sizeof header, records.data(), records.size() * sizeof(Record));
  seal(block.data(), block.size(), header);
}

// One that is not free: an empty file.
Inode used_inode(std::uint64_t now) {
  Inode inode{};
  inode.mode = S_IFREG;
  inode.format = Inode::kExtents;
  inode.nlink = 1;
  inode.atime = kFrom1901;
  inode.mtime = inode.ctime = inode.crtime = kFrom1901 + now;
  inode.aformat = Inode::kExtents;
  inode.change_count = 2;
  inode.flags2 = Inode::kBigTime;
  return inode;
}

}  // namespace

Geometry geometry_of(std::uint64_t bytes) {
  std::uint64_t size = bytes / kBlock;
  auto const group = static_cast<std::uint32_t>(group_size(bytes) / kBlock);
  if (size % group < kLeastGroup) size -= size % group;
  return {size, group, static_cast<std::uint32_t>((size + group - 1) / group)};
}

Superblock superblock(Geometry const& geometry, Uuid const& uuid, std::uint32_t group) {
  Superblock super{};
  super.magicnum = Superblock::kMagic;
  super.blocksize = kBlock;
  super.dblocks = geometry.size;
  super.uuid = uuid;
  super.logstart =
      std::uint64_t{geometry.log_group()} << geometry.group_shift() | std::uint64_t{kFixedBlocks};
  super.rextsize = 1;
  super.agblocks = geometry.group_size;
  super.agcount = geometry.groups;
  super.logblocks = kLogBlocks;
  super.versionnum = Superblock::kVersion;
  super.sectsize = kBlock;
  super.inodesize = kInode;
  super.inopblock = kInodesPerBlock;
  super.blocklog = super.sectlog = super.logsectlog = kBlockShift;
  super.inodelog = kInodeShift;
  super.inopblog = kBlockShift - kInodeShift;
  super.agblklog = static_cast<Byte>(geometry.group_shift());
  super.imax_pct = inode_share(geometry.size);
  super.inoalignmt = kChunkBlocks;
  super.logsectsize = kBlock;
  super.logsunit = kBlock;
  super.features2 = Superblock::kFeatures2;
  super.bad_features2 = Superblock::kFeatures2;
  super.features_ro_compat = Superblock::kRoCompat;
  super.features_incompat = Superblock::kIncompat;
  super.spino_align = kChunkBlocks / 2;
  std::uint64_t const free =
      geometry.size - kLogBlocks - std::uint64_t{geometry.groups} * kFixedBlocks;
  if (group == 0) {
    super.rootino = kRootInode;
    super.rbmino = kRootInode + 1;
    super.rsumino = kRootInode + 2;
    super.icount = kChunk;
    super.ifree = kChunk - kUsedInodes;
    super.fdblocks = free - kChunkBlocks;
  } else {
    // Copies are from before there were inodes. Two of them know the root, for xfs_repair.
    bool const knows_root = group == geometry.groups - 1 || group == (geometry.groups - 1) / 2;
    super.rootino = knows_root ? kRootInode : kNone64;
    super.rbmino = kNone64;
    super.rsumino = kNone64;
    super.inprogress = 1;
    super.fdblocks = free;
  }
  return super;
}

std::vector<Block> fixed_blocks(Geometry const& geometry, Uuid const& uuid, std::uint32_t group) {
  std::vector<Block> blocks(kFixedBlocks);
  auto put = [&](std::size_t at, auto const& header) { seal(blocks[at].data(), kBlock, header); };
  put(kSuperblock, superblock(geometry, uuid, group));
  put(kAgf, free_space(geometry, uuid, group));
  put(kAgi, inodes(geometry, uuid, group));
  put(kAgfl, free_list(geometry, uuid, group));

  auto tree = [&](std::uint32_t at, std::uint32_t magic, auto const& records) {
    TreeBlock header{};
    header.magic = magic;
    header.bno = (geometry.start_of(group) + at) * (kBlock / 512);
    header.uuid = uuid;
    header.owner = group;
    write_tree(blocks[at], header, records);
  };
  std::vector<FreeExtent> extents;
  for (Extent extent : free_extents(geometry, group)) {
    extents.emplace_back();
    extents.back().startblock = extent.start;
    extents.back().blockcount = extent.length;
  }
  std::vector<InodeChunk> chunks(group == 0 ? 1 : 0);
  for (InodeChunk& chunk : chunks) {
    chunk.startino = static_cast<std::uint32_t>(kRootInode);
    chunk.count = kChunk;
    chunk.freecount = kChunk - kUsedInodes;
    chunk.free = kFreeInodes;
  }
  tree(kBnobt, TreeBlock::kBnobtMagic, extents);
  tree(kCntbt, TreeBlock::kCntbtMagic, extents);
  tree(kInobt, TreeBlock::kInobtMagic, chunks);
  tree(kFinobt, TreeBlock::kFinobtMagic, chunks);
  tree(kRefcountbt, TreeBlock::kRefcountbtMagic, std::vector<FreeExtent>());
  return blocks;
}

std::vector<Block> first_chunk(Uuid const& uuid, std::uint64_t now) {
  std::vector<Block> blocks(kChunkBlocks);
  for (std::uint32_t i = 0; i < kChunk; ++i) {
    Inode inode = i < kUsedInodes ? used_inode(now) : Inode{};
    char* bytes = blocks[i / kInodesPerBlock].data() + i % kInodesPerBlock * kInode;
    if (i == 0) {
      EmptyDirectory root{};
      root.parent = static_cast<std::uint32_t>(kRootInode);
      std::memcpy(bytes + sizeof inode, &root, sizeof root);
      inode.mode = S_IFDIR | 0700;
      inode.format = Inode::kLocal;
      inode.nlink = 2;
      inode.size = sizeof root;
    } else if (i == 1) {
      inode.flags = Inode::kNewBitmap;
    }
    inode.magic = Inode::kMagic;
    inode.version = 3;
    inode.next_unlinked = kNone;
    inode.inumber = kRootInode + i;
    inode.uuid = uuid;
    seal(bytes, kInode, inode);
  }
  return blocks;
}

Block log_record(Uuid const& uuid) {
  UnmountOperation operation{};
  operation.tid = UnmountOperation::kTid;
  operation.len = operation.text.size();
  operation.clientid = UnmountOperation::kLog;
  operation.flags = UnmountOperation::kUnmount;
  operation.text = {'n', 'U'};

  LogRecord record{};
  record.magicno = LogRecord::kMagic;
  record.cycle = 1;
  record.version = 2;
  record.len = kBlock - kLogUnit;
  record.lsn = std::uint64_t{1} << 32U;
  record.tail_lsn = std::uint64_t{1} << 32U;
  record.prev_block = kNone;
  record.num_logops = 1;
  record.cycle_data[0] = operation.tid;
  record.fmt = LogRecord::kLinuxLittleEndian;
  record.fs_uuid = uuid;
  record.size = LogRecord::kBufferSize;

  Block block{};
  std::memcpy(block.data(), &record, sizeof record);
  std::memcpy(block.data() + kLogUnit, &operation, sizeof operation);
  for (std::uint32_t at = kLogUnit; at < kBlock; at += kLogUnit) {
    std::memcpy(block.data() + at, &record.cycle, sizeof record.cycle);
  }
  return block;
}

}  // namespace snapclone::image::layout
