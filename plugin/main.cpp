// SPDX-License-Identifier: Apache-2.0
#include "api/dispatch.hpp"
#include "api/server.hpp"
#include "clone/overlay.hpp"
#include "config.hpp"
#include "sys/error.hpp"
#include "sys/log.hpp"
#include "volume/recovery.hpp"

#include <boost/asio/io_context.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/signal_set.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/thread_pool.hpp>

#include <iostream>
#include <thread>

#include <signal.h>
#include <sys/stat.h>
#include <unistd.h>

namespace snapclone {
namespace {

namespace asio = boost::asio;

constexpr std::size_t kWorkers = 32;                   // verbs that may block
constexpr std::chrono::milliseconds kDrainTime{1500};  // the engine is promised 2 s
constexpr std::chrono::seconds kFailurePause{3};       // before the engine starts it again

// Everything, in the order of its dependencies.
class Plugin {
 public:
  explicit Plugin(Config const& config)
      : pool_(config.pool),
        points_(config.mounts),
        backend_(pool_, points_.probes()),
        catalogue_(pool_),
        trash_(pool_, points_, backend_, catalogue_),
        mounts_(pool_, points_, backend_, catalogue_, trash_),
        volumes_(pool_, points_, backend_, catalogue_, mounts_, trash_),
        turns_([this](volume::Turns::Job job) { asio::post(workers_, std::move(job)); }),
        dispatch_({catalogue_, mounts_, volumes_, turns_, std::string(backend_.name())}),
        server_(
            io_, config.socket.string(),
            [this](std::string target, std::string body, api::Respond respond) {
              dispatch_.handle(std::move(target), std::move(body), std::move(respond));
            },
            {}, [](std::string const& sentence) { sys::log_warning(sentence); }) {}

  // The trial comes before the socket, because the engine disables a plugin that ends without one,
  // and restarts any other for ever. Recovery comes after it, because the engine gives up on a
  // socket that is not there within seconds: until then requests wait.
  int run() {
    pool_.take_reserve();
    backend_.prove(points_.trial());
    server_.start();
    sys::log_info("snapclone " SNAPCLONE_VERSION " serves the pool " + pool_.root().string() +
                  ", backend " + std::string(backend_.name()) +
                  ": a trial of clone, write and in-use probe worked there");
    asio::post(workers_, [this] { recover(); });
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

  // What is running is answered, nothing is unmounted. What takes too long is cut: that is as safe
  // as a crash.
  void drain() {
    sys::log_info("stopping: answering what is running");
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

  clone::Pool pool_;
  volume::MountPoints points_;
  clone::OverlayBackend backend_;
  volume::Catalogue catalogue_;
  volume::Trash trash_;
  volume::Mounts mounts_;
  volume::Volumes volumes_;
  asio::io_context io_{1};
  asio::thread_pool workers_{kWorkers};
  volume::Turns turns_;
  api::Dispatch dispatch_;
  api::Server server_;
  asio::signal_set stop_{io_, SIGTERM, SIGINT};
  asio::steady_timer deadline_{io_};
  asio::steady_timer pause_{io_};
  int exit_code_ = 0;
};

int run(int argc, char const* const* argv) {
  Config config;
  try {
    config = read_config(argc, argv);
    if (!sys::set_log_level(config.log_level)) {
      throw BadUsage("log level \"" + config.log_level +
                     "\" is not known: use debug, info, warning or error");
    }
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
  signal(SIGPIPE, SIG_IGN);
  signal(SIGCHLD, SIG_IGN);  // as a container's first process: no zombies
  try {
    Plugin plugin(config);
    int code = plugin.run();
    sys::flush_log();
    // Verbs that still run must not be waited for, nor find their objects gone.
    _exit(code);
  } catch (std::exception const& error) {
    sys::log_error(std::string("cannot start: ") + error.what());
    return 1;
  }
}

}  // namespace
}  // namespace snapclone

int main(int argc, char** argv) { return snapclone::run(argc, argv); }
