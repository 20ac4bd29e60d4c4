# An executable with gRPC, Protobuf, Abseil and the C++ library inside it, for
# small memory and for machines that have none of them. The rooms stay as they
# are: they are named here by their files, with the libraries' archives in place
# of the shared ones. OpenSSL and the kernel's libraries (nftables, netlink) stay
# shared, so that their security updates reach the program.
#
#   sluice_link_archives(sluice-agent ROOMS agents-core … common)
find_package(PkgConfig REQUIRED)

# Variable → whether everything that it takes is here.
function(sluice_have_archives variable)
  set(${variable} OFF PARENT_SCOPE)
  foreach(name grpc++ grpc gpr address_sorting re2 upb cares z protobuf
      yaml-cpp absl_status)
    find_library(SLUICE_ARCHIVE_${name} lib${name}.a)
    if(NOT SLUICE_ARCHIVE_${name})
      return()
    endif()
  endforeach()
  set(${variable} ON PARENT_SCOPE)
endfunction()

function(sluice_link_archives target)
  cmake_parse_arguments(LINK "" "" "ROOMS;SHARED" ${ARGN})
  get_filename_component(folder ${SLUICE_ARCHIVE_absl_status} DIRECTORY)
  file(GLOB abseil ${folder}/libabsl_*.a)
  set(archives)
  foreach(name grpc++ grpc gpr address_sorting re2 upb cares z protobuf
      yaml-cpp)
    list(APPEND archives ${SLUICE_ARCHIVE_${name}})
  endforeach()
  foreach(room ${LINK_ROOMS})
    add_dependencies(${target} ${room})
    list(APPEND rooms $<TARGET_FILE:${room}>)
  endforeach()
  set_property(TARGET ${target} APPEND PROPERTY LINK_DEPENDS ${rooms})
  target_link_libraries(${target} PRIVATE
    -Wl,--start-group ${rooms} ${archives} ${abseil} -Wl,--end-group
    ${LINK_SHARED})
  target_link_options(${target} PRIVATE -static-libstdc++ -static-libgcc
    -Wl,--gc-sections -Wl,--as-needed)
endfunction()
