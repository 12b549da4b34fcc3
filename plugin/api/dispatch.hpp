// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "api/handler.hpp"
#include "api/metrics.hpp"
#include "api/protocol.hpp"
#include "volume/catalogue.hpp"
#include "volume/disk_use.hpp"
#include "volume/mounts.hpp"
#include "volume/turns.hpp"
#include "volume/volumes.hpp"

#include <functional>
#include <mutex>
#include <string>
#include <vector>

namespace snapclone::api {

// What the verbs work on.
struct Services {
  volume::Catalogue& catalogue;
  volume::Mounts& mounts;
  volume::Volumes& volumes;
  volume::Turns& turns;
  volume::DiskUseSampler const& usage;
  Metrics& metrics;
  std::string backend;  // its name, for Status
  std::string backend_reason;
};

// From a request to its reply: decodes, waits for the turn, runs the verb, logs one line, counts it
// and encodes. Every exception ends here, as {"Err": sentence}.
//
// Activate and Capabilities are answered at once. All others wait until open(); then Get, List and
// Path are answered on the calling thread, from memory and a look at the mount point of a mounted
// volume, and the rest run in turn on whatever
// `turns` executes them on.
class Dispatch {
 public:
  explicit Dispatch(Services services) : services_(std::move(services)) {}

  // A Handler (api/server.hpp). Safe from every thread, as is open().
  void handle(std::string target, std::string body, Respond respond);
  void open();

 private:
  void answer(Verb verb, std::string const& body, Respond const& respond);
  void look_up(Verb verb, std::string const& body, Respond const& respond) const;
  void create(std::string const& body, Respond const& respond);
  void remove(std::string const& body, Respond const& respond);
  void mount(std::string const& body, Respond const& respond);
  void unmount(std::string const& body, Respond const& respond);
  void run_create_turn(CreateRequest const& request,
                       std::function<void(std::vector<std::string> const& turns)> job);
  void run_mount_turn(MountRequest const& request, std::function<void()> job);
  VolumeView view(volume::Volume const& volume) const;

  Services services_;
  std::mutex mutex_;  // guards the two below
  bool open_ = false;
  std::vector<std::function<void()>> waiting_;
};

}  // namespace snapclone::api
