// SPDX-License-Identifier: Apache-2.0
#include "backend/select.hpp"

#include "backend/btrfs.hpp"
#include "backend/copy.hpp"
#include "backend/overlay.hpp"
#include "sys/error.hpp"

namespace snapclone::backend {
namespace {

constexpr char kAfterDiskError[] =
    ". No volume was touched. Look at the kernel's log (dmesg), check the disk and its file "
    "system, and enable the plugin again";

std::unique_ptr<Backend> make_backend(std::string const& name, Pool const& pool,
                                      fs::path const& probes) {
  if (name == "btrfs") return std::make_unique<BtrfsBackend>(pool, probes);
  if (name == "overlay") return std::make_unique<OverlayBackend>(pool, probes);
  if (name == "copy") return std::make_unique<CopyBackend>(pool, probes);
  throw std::runtime_error("there is no backend \"" + name + "\": it is btrfs, overlay or copy");
}

// Best first.
std::vector<std::string> candidates(Pool const& pool, std::string const& forced) {
  std::string in_pool = pool.backend();
  if (!forced.empty() && !in_pool.empty() && forced != in_pool) {
    throw std::runtime_error("BACKEND=" + forced + " cannot be: what is in the pool " +
                             pool.root().string() + " was made by the backend " + in_pool +
                             ", and only that can use it; an empty pool can have another backend");
  }
  if (!in_pool.empty()) return {in_pool};
  if (!forced.empty()) return {forced};
  return {"btrfs", "overlay", "copy"};
}

}  // namespace

Selection select_backend(Pool& pool, fs::path const& probes, fs::path const& mount_point,
                         std::string const& forced) {
  if (!forced.empty()) make_backend(forced, pool, probes);  // an unknown name is reported first
  std::string in_pool = pool.backend();
  std::string failures;
  for (auto const& name : candidates(pool, forced)) {
    auto backend = make_backend(name, pool, probes);
    try {
      backend->self_test(mount_point);
      backend->try_reflinks();
    } catch (sys::Error const& error) {
      // A plugin that does not start could free nothing on a full disk.
      bool full = error.code() == ENOSPC || error.code() == EDQUOT;
      if (full && !in_pool.empty() && !backend->can_probe()) {
        return {std::move(backend),
                std::string("it made what is in the pool, which is full: ") + error.what()};
      }
      // A lesser backend would be remembered for good, and the trial may work tomorrow.
      if (error.code() == EIO) {
        throw std::runtime_error("the pool " + pool.root().string() +
                                 " cannot be used while its disk reports errors: " + error.what() +
                                 kAfterDiskError);
      }
      failures += (failures.empty() ? "" : "; ") + name + ": " + error.what();
      continue;
    } catch (std::exception const& error) {
      failures += (failures.empty() ? "" : "; ") + name + ": " + error.what();
      continue;
    }
    pool.set_backend(name);
    std::string why = !in_pool.empty()  ? "it made what is in the pool"
                      : !forced.empty() ? "BACKEND asks for it"
                                        : "it is the best that works there";
    if (!failures.empty()) why += " (" + failures + ")";
    return {std::move(backend), why};
  }
  std::string cannot =
      !forced.empty() ? "BACKEND=" + forced + " cannot work on this pool: "
      : !in_pool.empty()
          ? "what is in the pool was made by a backend that does not work here any more: "
          : "no backend works on this pool: ";
  throw std::runtime_error(cannot + failures);
}

}  // namespace snapclone::backend
