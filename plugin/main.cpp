// SPDX-License-Identifier: Apache-2.0
#include "api/dispatch.hpp"
#include "api/metrics_file.hpp"
#include "api/server.hpp"
#include "backend/select.hpp"
#include "config.hpp"
#include "sys/capabilities.hpp"
#include "sys/error.hpp"
#include "sys/log.hpp"
#include "sys/system_calls.hpp"
#include "volume/recovery.hpp"

#include <boost/asio/buffer.hpp>
#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/local/datagram_protocol.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/signal_set.hpp>
#include <boost/asio/steady_timer.hpp>

#include <functional>
#include <iostream>
#include <stdexcept>
#include <system_error>
#include <thread>
#include <vector>

#include <malloc.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

namespace snapclone {
namespace {

namespace asio = boost::asio;
namespace fs = boost::filesystem;

constexpr std::size_t kWorkers = 32;                   // verbs that may block
constexpr std::chrono::milliseconds kDrainTime{1500};  // the engine is promised 2 s
constexpr std::chrono::seconds kFailurePause{3};       // before the engine starts it again
constexpr std::chrono::seconds kLongestWait{15};       // the engine gives up on a socket after 9 s
constexpr std::chrono::seconds kMetricsPause{15};

pool::Pool writable_pool(Config const& config) {
  try {
    return pool::Pool(config.pool, config.pool_on_host);
  } catch (sys::Error const& error) {
    if (error.code() != EROFS) throw;
    throw std::runtime_error(
        std::string(error.what()) +
        ": the pool cannot be used as long as its file system is read-only. If nobody has mounted "
        "it so, the kernel has after an error of the disk, and its log says which; nothing was "
        "touched. With the file system checked and mounted for writing, enable the plugin again");
  }
}

// Threads for what may block. (Asio's own pool waits for ever if the system cannot give it them
// all.)
class Workers {
 public:
  explicit Workers(std::size_t number) {
    try {
      while (threads_.size() < number) threads_.emplace_back([this] { io_.run(); });
    } catch (std::system_error const& error) {
      io_.stop();
      throw std::runtime_error(std::string("cannot start a thread: ") + error.what());
    }
  }
  ~Workers() { io_.stop(); }
  Workers(Workers const&) = delete;
  Workers& operator=(Workers const&) = delete;

  void run(std::function<void()> job) { asio::post(io_, std::move(job)); }

 private:
  asio::io_context io_;
  asio::executor_work_guard<asio::io_context::executor_type> more_to_come_{io_.get_executor()};
  std::vector<std::jthread> threads_;
};

// Before anything in the pool's directory is touched: is it the right one?
pool::Pool opened_pool(Config const& config) {
  if (!config.pool_id.empty()) pool::check_remembered(config.pool_id, config.pool);
  pool::Pool pool = writable_pool(config);
  if (!config.pool_id.empty()) {
    pool::remember(config.pool_id, pool.identity(), config.pool_on_host);
  }
  return pool;
}

// To the service manager that started this process: requests are taken (sd_notify(3)). The socket
// is a path or, after an "@", a name in the abstract namespace.
void report_ready(asio::io_context& io, std::string address) {
  if (address.empty()) return;
  if (address.front() == '@') address.front() = '\0';
  try {
    asio::local::datagram_protocol::socket socket(io);
    socket.open();
    socket.send_to(asio::buffer(std::string_view("READY=1")),
                   asio::local::datagram_protocol::endpoint(address));
  } catch (boost::system::system_error const& error) {
    sys::log_warning(std::string("cannot tell NOTIFY_SOCKET that it serves: ") + error.what());
  }
}

// Everything, in the order of its dependencies.
class Plugin {
 public:
  explicit Plugin(Config const& config)
      : notify_socket_(config.notify_socket),
        pool_(opened_pool(config)),
        points_(config.mounts),
        choice_(backend::select_backend(pool_, points_.probes(), points_.trial(), config.backend)),
        backend_(*choice_.backend),
        catalogue_(pool_),
        trash_(pool_, points_, backend_, catalogue_),
        mounts_(pool_, points_, backend_, catalogue_, trash_),
        volumes_(pool_, points_, backend_, catalogue_, mounts_, trash_),
        turns_([this](volume::Turns::Job job) { workers_.run(std::move(job)); }),
        usage_(pool_, backend_, catalogue_, mounts_),
        metrics_file_(config.metrics, std::string(backend_.name()), metrics_, pool_, catalogue_,
                      usage_),
        has_metrics_file_(!config.metrics.empty()),
        dispatch_({catalogue_, mounts_, volumes_, turns_, usage_, metrics_,
                   std::string(backend_.name()), choice_.why}),
        server_(
            io_, config.socket.string(),
            [this](std::string target, std::string body, api::Respond respond) {
              dispatch_.handle(std::move(target), std::move(body), std::move(respond));
            },
            {}, [](std::string const& sentence) { sys::log_warning(sentence); }) {}

  // The trial of the backend, in the constructor, comes before the socket, because the engine
  // disables a plugin that ends without one, and restarts any other for ever. Recovery comes after
  // it, because the engine gives up on a socket that is not there within seconds: until then
  // requests wait.
  int run() {
    server_.start();
    sys::log_info("snapclone " SNAPCLONE_VERSION " serves the pool " + pool_.root().string() +
                  ", backend " + std::string(backend_.name()) + ": a trial worked there, and " +
                  choice_.why);
    report_ready(io_, notify_socket_);
    workers_.run([this] { recover(); });
    stop_.async_wait([this](boost::system::error_code error, int) {
      if (!error) drain();
    });
    io_.run();
    return exit_code_;
  }

 private:
  void recover() {
    try {
      volume::recover(pool_, points_, catalogue_, mounts_, trash_);
      trash_.start();
      dispatch_.open();
      keep_reserve();
      usage_.start();
      if (has_metrics_file_) write_metrics();
    } catch (std::exception const& error) {
      sys::log_error(std::string("cannot recover: ") + error.what());
      std::this_thread::sleep_for(kFailurePause);
      asio::post(io_, [this] {
        exit_code_ = 1;
        io_.stop();
      });
    }
  }

  void keep_reserve() {
    try {
      pool_.keep_reserve();
    } catch (sys::Error const& error) {
      sys::log_warning(std::string("a full disk may keep the next start from working: ") +
                       error.what());
    }
  }

  void write_metrics() {
    try {
      metrics_file_.write();
      metrics_fail_ = false;
    } catch (std::exception const& error) {
      if (!std::exchange(metrics_fail_, true)) {
        sys::log_warning(std::string("no metrics for now: ") + error.what());
      }
    }
    asio::post(io_, [this] {
      next_metrics_.expires_after(kMetricsPause);
      next_metrics_.async_wait([this](boost::system::error_code error) {
        if (!error) workers_.run([this] { write_metrics(); });
      });
    });
  }

  // What is running is answered, nothing is unmounted. What takes too long is cut: that is as safe
  // as a crash.
  void drain() {
    sys::log_info("stopping: answering what is running");
    backend_.cancel_copies();
    deadline_.expires_after(kDrainTime);
    deadline_.async_wait([this](boost::system::error_code) { io_.stop(); });
    server_.drain([this] { stop_when_idle(); });
  }

  // Mounts whose clients have gone are being undone.
  void stop_when_idle() {
    if (turns_.idle()) return io_.stop();
    pause_.expires_after(std::chrono::milliseconds(5));
    pause_.async_wait([this](boost::system::error_code) { stop_when_idle(); });
  }

  std::string notify_socket_;
  pool::Pool pool_;
  volume::MountPoints points_;
  backend::Selection choice_;
  backend::Backend& backend_;
  volume::Catalogue catalogue_;
  volume::Trash trash_;
  volume::Mounts mounts_;
  volume::Volumes volumes_;
  asio::io_context io_{1};
  Workers workers_{kWorkers};
  volume::Turns turns_;
  volume::DiskUseSampler usage_;
  api::Metrics metrics_;
  api::MetricsFile metrics_file_;
  bool const has_metrics_file_;
  bool metrics_fail_ = false;  // of the one worker that writes them
  api::Dispatch dispatch_;
  api::Server server_;
  asio::signal_set stop_{io_, SIGTERM, SIGINT};
  asio::steady_timer deadline_{io_};
  asio::steady_timer pause_{io_};
  asio::steady_timer next_metrics_{io_};
  int exit_code_ = 0;
};

// The engine starts a plugin that ends at once a second time, and is for a moment not able to
// enable it again when that has ended, too. As its container's first process this one waits until
// it is told to go.
void wait_to_be_stopped() {
  if (getpid() != 1) return;
  sigset_t stop;
  sigemptyset(&stop);
  sigaddset(&stop, SIGTERM);
  sigprocmask(SIG_BLOCK, &stop, nullptr);
  timespec limit{kLongestWait.count(), 0};
  sigtimedwait(&stop, nullptr, &limit);
}

// Connections and copies hold many at once; the limit that is usual at first is for programs that
// use select(2), and whoever needs more may take it.
void allow_as_many_descriptors_as_possible() {
  rlimit limit{};
  if (getrlimit(RLIMIT_NOFILE, &limit) != 0) return;
  limit.rlim_cur = limit.rlim_max;
  (void)setrlimit(RLIMIT_NOFILE, &limit);
}

// Before there is a second thread, and before anything that others wrote is read.
void give_up_privileges(Config const& config) {
  sys::keep_needed_capabilities();
  bool debug = config.log_level == "debug";
  try {
    sys::refuse_unlisted_calls(debug ? sys::Unlisted::reported : sys::Unlisted::failing);
  } catch (sys::Error const& error) {
    sys::log_warning(std::string("no system call will be refused: ") + error.what());
  }
}

int run(int argc, char const* const* argv) {
  Config config;
  try {
    config = read_config(argc, argv);
    if (!sys::set_log_level(config.log_level)) {
      throw BadValue("log level \"" + config.log_level +
                     "\" is not known: use debug, info, warning or error");
    }
  } catch (BadValue const& error) {
    std::cerr << "snapclone: " << error.what() << "\n";
    return 2;
  } catch (BadUsage const& error) {
    std::cerr << "snapclone: " << error.what() << "\n\n" << help_text();
    return 2;
  }
  if (config.show_help || config.show_version) {
    std::cout << (config.show_help ? help_text() : "snapclone " SNAPCLONE_VERSION "\n");
    return 0;
  }
  if (geteuid() != 0) {
    std::cerr << "snapclone: it needs root, to mount\n";
    return 1;
  }
  umask(0);
  allow_as_many_descriptors_as_possible();
  mallopt(M_ARENA_MAX, 2);  // glibc would give each of the many threads a heap of its own
  signal(SIGPIPE, SIG_IGN);
  signal(SIGCHLD, SIG_IGN);  // as a container's first process: no zombies
  try {
    give_up_privileges(config);
    Plugin plugin(config);
    int code = plugin.run();
    sys::flush_log();
    // Verbs that still run must not be waited for, nor find their objects gone.
    _exit(code);
  } catch (std::exception const& error) {
    sys::log_error(std::string("cannot start: ") + error.what());
    sys::flush_log();
    wait_to_be_stopped();
    return 1;
  }
}

}  // namespace
}  // namespace snapclone

int main(int argc, char** argv) { return snapclone::run(argc, argv); }
