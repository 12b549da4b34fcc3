// SPDX-License-Identifier: Apache-2.0
#define BOOST_TEST_MODULE snapclone
#include "kit/private_mounts.hpp"

#include <boost/test/unit_test.hpp>

struct PrivateMounts {
  PrivateMounts() { snapclone::test::make_mounts_private(); }
};
BOOST_TEST_GLOBAL_FIXTURE(PrivateMounts);
