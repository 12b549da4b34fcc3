// SPDX-License-Identifier: Apache-2.0
#include "daemon.hpp"

#include "pool/format.hpp"
#include "sys/error.hpp"
#include "sys/log.hpp"

#include <boost/asio/buffer.hpp>
#include <boost/asio/local/datagram_protocol.hpp>
#include <boost/asio/post.hpp>

#include <chrono>
#include <stdexcept>
#include <string_view>
#include <thread>
#include <utility>

#include <signal.h>

namespace snapclone {
namespace {

namespace asio = boost::asio;

// Mount of a clone waits for its file system, and most file systems have one journal: more threads
// gain nothing. No disk gains from more copies at once, either.
constexpr std::size_t kQuickWorkers = 16;
constexpr std::size_t kSlowWorkers = 16;
constexpr int kSlowNiceness = 5;  // copies give way to quick verbs where processors are few
constexpr std::chrono::milliseconds kDrainTime{1500};  // the engine is promised 2 s
constexpr std::chrono::seconds kFailurePause{3};       // before the engine starts it again
constexpr std::chrono::seconds kMetricsPause{15};

pool::Pool writable_pool(Config const& config) {
  try {
    return pool::Pool(config.pool, config.pool_on_host);
  } catch (sys::Error const& error) {
    if (error.code() != EROFS) throw;
    throw std::runtime_error(
        std::string(error.what()) +
        ": the pool cannot be used while its file system is read-only. Unless somebody mounted it "
        "so, the kernel did after an error of the disk, and its log says which; nothing was "
        "touched. With the file system checked and mounted for writing, enable the plugin again");
  }
}

// Asks whether it is the right pool before anything in the pool's directory is touched.
pool::Pool opened_pool(Config const& config) {
  if (!config.pool_id.empty()) pool::check_remembered(config.pool_id, config.pool);
  pool::Pool pool = writable_pool(config);
  if (!config.pool_id.empty()) {
    pool::remember(config.pool_id, pool.identity(), config.pool_on_host);
  }
  return pool;
}

// Bounds the image before a volume or a record is written to it.
std::optional<image::Space> space_of(Place const& place, Config const& config) {
  if (!place.image) return std::nullopt;
  return std::optional<image::Space>(std::in_place, place.image->file, config.pool,
                                     place.image->reserved);
}

// Tells the service manager that started this process that requests are taken (sd_notify(3)). The
// socket is a path or, after an "@", a name in the abstract namespace.
void report_ready(asio::io_context& io, std::string address) {
  if (address.empty()) return;
  if (address.front() == '@') address.front() = '\0';
  try {
    asio::local::datagram_protocol::socket socket(io);
    socket.open();
    socket.send_to(asio::buffer(std::string_view("READY=1")),
                   asio::local::datagram_protocol::endpoint(address));
  } catch (boost::system::system_error const& error) {
    sys::log_warning(std::string("cannot report to NOTIFY_SOCKET that the plugin is ready: ") +
                     error.what());
  }
}

}  // namespace

Daemon::Daemon(Config const& config, Place const& place)
    : notify_socket_(config.notify_socket),
      writes_metrics_(!config.metrics.empty()),
      space_(space_of(place, config)),
      store_(opened_pool(config),
             {.mounts = config.mounts,
              .backend = config.backend,
              .image = place.image,
              .image_space = space_ ? &*space_ : nullptr,
              .why_no_image = place.image ? "" : place.why,
              .prune_pause = config.prune_pause},
             [this](volume::Lane lane, std::function<void()> job) {
               (lane == volume::Lane::quick ? quick_ : slow_).run(std::move(job));
             }),
      metrics_file_(config.metrics, metrics_, store_),
      dispatch_(store_, metrics_),
      server_(
          io_, config.socket.string(),
          [this](std::string target, std::string body, api::Respond respond) {
            dispatch_.handle(std::move(target), std::move(body), std::move(respond));
          },
          {}, [](std::string const& sentence) { sys::log_warning(sentence); },
          [this](std::string const& sentence) {
            sys::log_error(sentence);
            end(1);
          }),
      signals_(io_, SIGTERM, SIGINT),
      quick_(kQuickWorkers),
      slow_(kSlowWorkers, kSlowNiceness) {}

Daemon::~Daemon() {
  slow_.end();
  quick_.end();
}

int Daemon::run() {
  server_.start();
  sys::log_info("snapclone " SNAPCLONE_VERSION " serves the pool " + store_.pool_root().string() +
                ", backend " + std::string(store_.backend()) + ": a trial worked there, and " +
                store_.backend_reason());
  report_ready(io_, notify_socket_);
  slow_.run([this] { recover(); });
  signals_.async_wait([this](boost::system::error_code error, int) {
    if (!error) drain();
  });
  try {
    io_.run();
  } catch (std::exception const& error) {
    sys::log_error(std::string("cannot serve any more: ") + error.what());
    return 1;
  }
  return exit_code_;
}

void Daemon::stop() {
  asio::post(io_, [this] { drain(); });
}

void Daemon::recover() {
  try {
    store_.open();
  } catch (std::exception const& error) {
    sys::log_error(std::string("cannot recover: ") + error.what());
    std::this_thread::sleep_for(kFailurePause);
    return end(1);
  }
  if (writes_metrics_) write_metrics();
}

void Daemon::end(int exit_code) {
  asio::post(io_, [this, exit_code] {
    exit_code_ = exit_code;
    io_.stop();
  });
}

void Daemon::write_metrics() {
  try {
    metrics_file_.write();
    metrics_fail_ = false;
  } catch (std::exception const& error) {
    if (!std::exchange(metrics_fail_, true)) {
      sys::log_warning(std::string("no metrics for now: ") + error.what());
    }
  }
  asio::post(io_, [this] { write_metrics_later(); });
}

void Daemon::write_metrics_later() {
  next_metrics_.expires_after(kMetricsPause);
  next_metrics_.async_wait([this](boost::system::error_code error) {
    if (!error) slow_.run([this] { write_metrics(); });
  });
}

// Answers what is running and unmounts nothing. Cuts off what takes too long, which is as safe as a
// crash.
void Daemon::drain() {
  sys::log_info("stopping: answering what is running");
  store_.cancel_copies();
  deadline_.expires_after(kDrainTime);
  deadline_.async_wait([this](boost::system::error_code) { io_.stop(); });
  server_.drain([this] { stop_when_idle(); });
}

// Mounts whose clients have gone are being undone.
void Daemon::stop_when_idle() {
  if (store_.idle()) return io_.stop();
  pause_.expires_after(std::chrono::milliseconds(5));
  pause_.async_wait([this](boost::system::error_code) { stop_when_idle(); });
}

}  // namespace snapclone
