# SPDX-License-Identifier: Apache-2.0
# The Debian package, for running outside a managed plugin: "make deb".

# Paths are the whole ones of the package, and "cmake --install" belongs to it alone.
install(TARGETS snapclone RUNTIME DESTINATION usr/sbin)
install(FILES packaging/snapclone.service DESTINATION usr/lib/systemd/system)
install(FILES packaging/default DESTINATION etc/default RENAME snapclone)
execute_process(COMMAND gzip -9nc ${CMAKE_SOURCE_DIR}/CHANGELOG.md OUTPUT_FILE ${CMAKE_BINARY_DIR}/changelog.gz)
# The pages, and what they link to.
install(FILES README.md SECURITY.md ARCHITECTURE.md CONTRIBUTING.md CHANGELOG.md LICENSE packaging/copyright
  ${CMAKE_BINARY_DIR}/changelog.gz DESTINATION usr/share/doc/snapclone)
install(DIRECTORY docs DESTINATION usr/share/doc/snapclone
  FILES_MATCHING PATTERN "*.md" PATTERN "*.svg" PATTERN "*.png")
install(DIRECTORY examples DESTINATION usr/share/doc/snapclone)
set(CMAKE_SKIP_INSTALL_ALL_DEPENDENCY ON)

set(CPACK_GENERATOR DEB)
set(CPACK_PACKAGING_INSTALL_PREFIX /)
set(CPACK_PACKAGE_DIRECTORY ${CMAKE_BINARY_DIR})
set(CPACK_PACKAGE_VENDOR snapclone)
set(CPACK_PACKAGE_CONTACT "the snapclone developers")
set(CPACK_PACKAGE_DESCRIPTION_SUMMARY "Docker volumes whose snapshots give every container a private clone")
set(CPACK_DEBIAN_PACKAGE_DESCRIPTION
  "A Docker volume plugin as a service of the machine. Mounting a snapshot of a
volume gives each container a copy-on-write clone of its own, which is gone
with the container.")
set(CPACK_DEBIAN_FILE_NAME DEB-DEFAULT)
set(CPACK_DEBIAN_PACKAGE_SECTION admin)
set(CPACK_DEBIAN_PACKAGE_RECOMMENDS "docker.io | docker-ce")
set(CPACK_DEBIAN_PACKAGE_CONTROL_STRICT_PERMISSION ON)
set(CPACK_DEBIAN_PACKAGE_CONTROL_EXTRA
  ${CMAKE_SOURCE_DIR}/packaging/postinst
  ${CMAKE_SOURCE_DIR}/packaging/prerm
  ${CMAKE_SOURCE_DIR}/packaging/postrm
  ${CMAKE_BINARY_DIR}/conffiles)
file(WRITE ${CMAKE_BINARY_DIR}/conffiles "/etc/default/snapclone\n")
include(CPack)
