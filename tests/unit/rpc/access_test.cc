// The table of who may call what.

#include "orchestrator/rpc/access.h"

#include <gmock/gmock.h>
#include <google/protobuf/descriptor.h>

#include <fstream>
#include <sstream>

#include "absl/strings/str_cat.h"
#include "sluice/v1/agent.pb.h"
#include "sluice/v1/identity.pb.h"
#include "sluice/v1/operator.pb.h"

namespace sluice::rpc {
namespace {

using ::testing::HasSubstr;

// ── the table itself ────────────────────────────────────────────────────────

TEST(Access, EveryCallOfOursStandsInTheTable) {
  const auto* pool = google::protobuf::DescriptorPool::generated_pool();
  for (const google::protobuf::Descriptor* linked :
       {v1::Status::descriptor(), v1::Hello::descriptor(),
        v1::Token::descriptor()}) {
    for (int s = 0; s < linked->file()->service_count(); ++s) {
      const auto* service = linked->file()->service(s);
      ASSERT_NE(pool->FindServiceByName(service->full_name()), nullptr);
      for (int m = 0; m < service->method_count(); ++m) {
        const std::string name = absl::StrCat("/", service->full_name(), "/",
                                              service->method(m)->name());
        EXPECT_NE(FindRule(name), nullptr)
            << name << " has no rule in access.cc, so nobody can call it";
      }
    }
  }
}

TEST(Access, NothingElseIsOpenToAnybody) {
  std::vector<std::string> open;
  for (const Rule& rule : AccessTable()) {
    if (rule.level == Level::kAnybody) open.emplace_back(rule.method);
  }
  EXPECT_THAT(
      open, ::testing::UnorderedElementsAre(
                "/grpc.health.v1.Health/Check", "/grpc.health.v1.Health/Watch",
                "/sluice.v1.Enrolment/Enrol", "/sluice.v1.Login/Challenge",
                "/sluice.v1.Login/Login"));
}

TEST(Access, StandsInTheDocsAsItIs) {
  std::stringstream docs;
  docs << std::ifstream(SLUICE_SOURCE_DIR "/docs/security.md").rdbuf();
  EXPECT_THAT(docs.str(), HasSubstr(AccessMarkdown()))
      << "put this table into docs/security.md:\n"
      << AccessMarkdown();
}

}  // namespace
}  // namespace sluice::rpc
