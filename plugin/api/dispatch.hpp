// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "api/metrics.hpp"
#include "api/protocol.hpp"
#include "api/server.hpp"
#include "volume/store.hpp"

#include <string>

namespace snapclone::api {

// From a request to its reply: decodes, asks the Store, logs one line, counts it and encodes. Every
// exception ends here, as {"Err": sentence}.
//
// Activate and Capabilities are answered at once, everything else when the Store is open: Get, List
// and Path on the calling thread, the verbs that change something on the Store's threads. Safe from
// every thread.
class Dispatch {
 public:
  Dispatch(volume::Store& store, Metrics& metrics) : store_(store), metrics_(metrics) {}

  // A Handler (api/handler.hpp).
  void handle(std::string target, std::string body, Respond respond);

 private:
  void answer(Verb verb, std::string const& body, Respond const& respond);
  void list(Respond const& respond) const;
  void look_up(Verb verb, std::string const& body, Respond const& respond) const;
  void create(std::string const& body, Respond const& respond);
  void remove(std::string const& body, Respond const& respond);
  void mount(std::string const& body, Respond const& respond);
  void unmount(std::string const& body, Respond const& respond);
  void undo_mount(MountRequest const& request, std::uint64_t serial);

  volume::Store& store_;
  Metrics& metrics_;
};

}  // namespace snapclone::api
