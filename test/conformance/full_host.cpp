// SPDX-License-Identifier: Apache-2.0
#include "conformance/full.hpp"

#include <algorithm>

#include <fcntl.h>
#include <sys/statvfs.h>
#include <unistd.h>

// A pool in an image, on a host whose disk is full. The plugin looks at that now and then; here
// whenever it has changed.
namespace snapclone::test {
namespace {

class HostFiller final : public Filler {
 public:
  // It leaves so many bytes, or few more.
  explicit HostFiller(Conforming& world, std::uint64_t left = 0)
      : world_(world),
        left_(left),
        path_(world.in_image->image.file.parent_path() / "filler"),
        file_(open(path_.c_str(), O_WRONLY | O_CREAT | O_EXCL, 0600)) {
    spend_disk();
    fill();
  }
  ~HostFiller() override { end(); }
  HostFiller(HostFiller const&) = delete;
  HostFiller& operator=(HostFiller const&) = delete;

  // To the last block, but for what was written in the pool before. Then the plugin looks.
  void fill() override {
    sys::sync_filesystem(sys::open_dir(world_.pool()).get());
    for (off_t piece = off_t{1} << 40; piece >= kBlock; piece /= 2) {
      while (posix_fallocate(file_.get(), size_, piece) == 0) size_ += piece;
      BOOST_REQUIRE(ftruncate(file_.get(), size_) == 0);
    }
    while (room() < left_) shrink(kStep);
    look();
    BOOST_TEST(offered() <= (left_ == 0 ? 0U : kMostLeft));
  }

  // Until the pool is offered a little more.
  bool give() override {
    std::uint64_t const enough = offered() + kStep;
    for (off_t piece = kStep; size_ > 0 && offered() < enough; piece *= 2) {
      shrink(piece);
      look();
    }
    return offered() >= enough;
  }

  void end() override {
    fs::remove(path_);
    file_ = sys::Fd();
    look();
  }

 private:
  static constexpr off_t kBlock = 4096;
  static constexpr off_t kStep = 1 << 20;
  static constexpr unsigned kMostLeft = 2 << 20;  // image/bounded_xfs.hpp

  void shrink(off_t piece) {
    size_ -= std::min(piece, size_);
    BOOST_REQUIRE(ftruncate(file_.get(), size_) == 0);
  }
  // Without what is kept for root.
  std::uint64_t room() const {
    struct statvfs host {};
    BOOST_REQUIRE(fstatvfs(file_.get(), &host) == 0);
    return std::uint64_t{host.f_bavail} * host.f_frsize;
  }
  void look() { world_.process->space->round(); }
  std::uint64_t offered() const { return world_.process->space->report().offered; }

  Conforming& world_;
  std::uint64_t const left_;
  fs::path const path_;
  sys::Fd file_;
  off_t size_ = 0;
};

}  // namespace

PROMISE_WHERE(wherever_a_verb_finds_the_hosts_disk_full_nothing_has_changed, ground.in_image) {
  world.checks_room = false;
  world.restart();
  prepare(world);
  HostFiller filler(world);
  check_verbs_on_a_full_disk(world, filler);
}

PROMISE_WHERE(a_full_disk_of_the_host_keeps_nothing_from_being_ended_removed_or_started,
              ground.in_image) {
  fs::path clone = use_some(world);
  HostFiller filler(world, 64U << 20U);  // far below what is kept for the host
  // A start may take so long that the plugin looks meanwhile.
  world.process->pool.take_reserve();
  world.process->space->round();
  BOOST_CHECK_NO_THROW(world.process->pool.keep_reserve());
  check_ends_removals_and_starts(world, filler, clone);
}

PROMISE_WHERE(create_says_in_time_that_the_hosts_disk_is_full, ground.in_image) {
  prepare(world);
  {
    HostFiller filler(world);
    check_creates_refused(world, "may take no more of the host's disk");
  }
  BOOST_CHECK_NO_THROW(world.create("roomy"));
  finish(world);
}

}  // namespace snapclone::test
