#include "tests/unit/cli/fake_operator.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cstdlib>
#include <filesystem>

#include "orchestrator/cli/files.h"

namespace sluice::cli {
namespace {

std::string Pem(const std::string& path) {
  const auto text = ReadWholeFile(path, 1 << 16);
  EXPECT_TRUE(text.ok()) << text.status();
  return text.ok() ? *text : "";
}

}  // namespace

TempDir::TempDir() {
  char pattern[] = "/tmp/sluice-cli-XXXXXX";
  const char* made = mkdtemp(pattern);
  EXPECT_NE(made, nullptr);
  path_ = made;
}

TempDir::~TempDir() {
  std::error_code ignored;
  std::filesystem::remove_all(path_, ignored);
}

Plan SmallPlan() {
  const auto address = [](const char* text) { return *Prefix::Parse(text); };
  Plan plan;
  plan.estate = EstateId("city-utility");
  plan.management.orchestrators = {"10.77.0.1:7443", "[fd77::1]:7443"};
  plan.approvers = {{.id = OperatorId("duty-commander"),
                     .roles = {RoleId("incident-commander")}}};
  plan.hosts = {{.id = HostId("app-1"), .addresses = {address("10.77.0.31")}},
                {.id = HostId("db-1"),
                 .addresses = {address("10.77.0.21"), address("fd77::21")},
                 .vital = {*Flow::Parse("tcp 10.77.0.21 10.77.0.99 3260")}}};
  PlannedStep step;
  step.id = StepId("billing-db");
  step.hosts = {HostId("db-1")};
  step.start_unit = "postgresql.service";
  step.health = {
      {.id = CheckId("billing-db/health-1"),
       .spec = {.kind = "plugin", .args = {{"name", "check_pgsql"}}}}};
  plan.steps = {step};
  return plan;
}

void FakeOperator::Serve(const std::string& dir) {
  const std::string base = dir + "/orchestrator/";
  grpc::SslServerCredentialsOptions tls;
  tls.pem_key_cert_pairs = {
      {Pem(base + "server.key"), Pem(base + "server.crt")}};
  grpc::ServerBuilder builder;
  builder.AddListeningPort("unix:" + base + "operator.sock",
                           grpc::SslServerCredentials(tls));
  builder.RegisterService(this);
  server_ = builder.BuildAndStart();
  ASSERT_NE(server_, nullptr);
}

void FakeOperator::Stop() {
  if (server_ == nullptr) return;
  stopped_.Notify();
  server_->Shutdown(std::chrono::system_clock::now() +
                    std::chrono::milliseconds(200));
  server_.reset();
}

grpc::Status FakeOperator::Accept(const std::string& message,
                                  v1::Accepted* response) {
  if (!refusal.ok()) return refusal;
  response->set_sequence(300);
  response->set_message(message);
  return grpc::Status::OK;
}

grpc::Status FakeOperator::GetStatus(grpc::ServerContext*,
                                     const v1::GetStatusRequest*,
                                     v1::Status* response) {
  *response = status;
  return grpc::Status::OK;
}

grpc::Status FakeOperator::WatchStatus(grpc::ServerContext*,
                                       const v1::GetStatusRequest*,
                                       grpc::ServerWriter<v1::Status>* writer) {
  for (const v1::Status& one : watched) writer->Write(one);
  return grpc::Status::OK;
}

grpc::Status FakeOperator::GetGate(grpc::ServerContext*,
                                   const v1::GetGateRequest* request,
                                   v1::GateDetail* response) {
  if (request->gate() != gate.gate().id()) {
    return {grpc::StatusCode::NOT_FOUND, "no gate is called '" +
                                             request->gate() +
                                             "'; `sluice gates` lists them"};
  }
  *response = gate;
  return grpc::Status::OK;
}

grpc::Status FakeOperator::GetHistory(grpc::ServerContext*,
                                      const v1::GetHistoryRequest* request,
                                      v1::History* response) {
  for (const v1::Entry& entry : history.entries()) {
    if (entry.sequence() < request->from_sequence()) continue;
    if (response->entries_size() == request->limit()) break;
    *response->add_entries() = entry;
  }
  return grpc::Status::OK;
}

grpc::Status FakeOperator::GetDurations(grpc::ServerContext*,
                                        const v1::GetDurationsRequest*,
                                        v1::Durations* response) {
  *response = durations;
  return grpc::Status::OK;
}

grpc::Status FakeOperator::GetManifest(grpc::ServerContext*,
                                       const v1::GetManifestRequest* request,
                                       v1::Manifest* response) {
  *response = request->previous() ? previous_manifest : manifest;
  if (request->previous() && response->files().empty()) {
    return {grpc::StatusCode::NOT_FOUND, "no other plan was in force"};
  }
  return grpc::Status::OK;
}

grpc::Status FakeOperator::PreviewPlan(grpc::ServerContext*,
                                       const v1::PlanRequest*,
                                       v1::PlanPreview* response) {
  *response = preview;
  return grpc::Status::OK;
}

grpc::Status FakeOperator::AdoptPlan(grpc::ServerContext*,
                                     const v1::PlanRequest* request,
                                     v1::Accepted* response) {
  if (!refusal.ok()) return refusal;
  adopted = *request;
  return Accept("duty-commander put plan 2 in force", response);
}

grpc::Status FakeOperator::Isolate(
    grpc::ServerContext*, const v1::IsolateRequest* request,
    grpc::ServerWriter<v1::IsolateProgress>* writer) {
  isolated = *request;
  if (!refusal.ok()) return refusal;
  if (request->confirmation() != protected_name) {
    return {grpc::StatusCode::FAILED_PRECONDITION,
            "system '" + protected_name +
                "' is protected: isolating it stops the water works; type its "
                "name, or give it with --yes"};
  }
  for (const v1::IsolateProgress& one : progress) writer->Write(one);
  if (!progress.empty() && !progress.back().finished()) {
    // As the real one: the stream stays open while hosts are waited for.
    stopped_.WaitForNotification();
  }
  return grpc::Status::OK;
}

grpc::Status FakeOperator::Start(grpc::ServerContext*, const v1::StartRequest*,
                                 v1::Accepted* response) {
  return Accept("run 2026-11-21-2 started; gate foundations is inspecting",
                response);
}

grpc::Status FakeOperator::Decide(grpc::ServerContext*,
                                  const v1::DecideRequest* request,
                                  v1::Accepted* response) {
  decided = *request;
  return Accept("your go for gate " + request->gate() + " is recorded",
                response);
}

grpc::Status FakeOperator::SignTask(grpc::ServerContext*,
                                    const v1::SignTaskRequest* request,
                                    v1::Accepted* response) {
  signed_task = *request;
  if (request->task() == "no-such-task") {
    return {grpc::StatusCode::NOT_FOUND, "no task is called 'no-such-task'"};
  }
  return Accept("signed", response);
}

grpc::Status FakeOperator::ReportPoint(grpc::ServerContext*,
                                       const v1::ReportPointRequest* request,
                                       v1::Accepted* response) {
  reported = *request;
  return Accept("taken down", response);
}

grpc::Status FakeOperator::Retry(grpc::ServerContext*,
                                 const v1::RetryRequest* request,
                                 v1::Accepted* response) {
  retried = *request;
  return Accept("billing-engine is asked for again at gate applications",
                response);
}

grpc::Status FakeOperator::Skip(grpc::ServerContext*,
                                const v1::SkipRequest* request,
                                v1::Accepted* response) {
  skipped = *request;
  return Accept("billing-engine goes on without a check", response);
}

grpc::Status FakeOperator::End(grpc::ServerContext*,
                               const v1::EndRequest* request,
                               v1::Accepted* response) {
  ended = *request;
  return Accept("the run is over", response);
}

grpc::Status FakeOperator::ChangeTrust(grpc::ServerContext*,
                                       const v1::TrustRequest* request,
                                       v1::Accepted* response) {
  trusted = *request;
  return Accept("it is on its way to the hosts", response);
}

}  // namespace sluice::cli
