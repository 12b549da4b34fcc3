// SPDX-License-Identifier: Apache-2.0
#include "power/record.hpp"

#include "sys/error.hpp"

#include <array>
#include <new>

#include <sys/mman.h>
#include <unistd.h>

namespace snapclone::test {
namespace {

using Header = std::array<std::uint64_t, 3>;  // what, at, length

static_assert(std::atomic<Moment>::is_always_lock_free, "processes share it");

void append(int file, void const* bytes, std::size_t size) {
  if (write(file, bytes, size) != static_cast<ssize_t>(size)) sys::fail("write", "the record");
}

void read_at(int file, off_t& at, void* bytes, std::size_t size) {
  if (pread(file, bytes, size, at) != static_cast<ssize_t>(size)) sys::fail("read", "the record");
  at += static_cast<off_t>(size);
}

}  // namespace

void Change::apply_to(Image& image) const {
  if (what == What::write) image.write(at, bytes);
  if (what == What::zero) image.zero(at, length);
}

Record::Record() : file_(memfd_create("record", MFD_CLOEXEC)) {
  void* shared =
      mmap(nullptr, sizeof *count_, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  if (file_.get() < 0 || shared == MAP_FAILED) sys::fail("make", "the record");
  count_ = new (shared) std::atomic<Moment>(0);
}

Record::~Record() { munmap(count_, sizeof *count_); }

void Record::add(Change const& change) {
  Header header{static_cast<std::uint64_t>(change.what), change.at, change.length};
  append(file_.get(), header.data(), sizeof header);
  append(file_.get(), change.bytes.data(), change.bytes.size());
  ++*count_;
}

std::vector<Change> Record::changes() const {
  std::vector<Change> all(now());
  off_t at = 0;
  for (auto& change : all) {
    Header header{};
    read_at(file_.get(), at, header.data(), sizeof header);
    change = {static_cast<Change::What>(header[0]), header[1], header[2], ""};
    if (change.what != Change::What::write) continue;
    change.bytes.resize(change.length);
    read_at(file_.get(), at, change.bytes.data(), change.bytes.size());
  }
  return all;
}

}  // namespace snapclone::test
