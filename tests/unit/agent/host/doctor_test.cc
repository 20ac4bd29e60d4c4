#include "agents/host/doctor.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>

#include "absl/strings/str_cat.h"

namespace sluice::agent {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::Not;

// A /proc of our own making, of the host 10.77.0.11.
class DoctorTest : public ::testing::Test {
 protected:
  DoctorTest() {
    std::filesystem::create_directories(proc_ / "net");
    Write("mounts", "/dev/sda1 / ext4 rw 0 0\n");
    config_.host = HostId("db-1");
    config_.management = {*Flow::Parse("tcp 10.77.0.11 10.77.0.1 7443")};
  }
  ~DoctorTest() override { std::filesystem::remove_all(proc_); }

  void Write(const std::string& name, const std::string& text) {
    std::ofstream(proc_ / name) << text;
  }
  // Ends as /proc writes them: "0B004D0A:0CBC".
  void Table(const std::string& name,
             std::initializer_list<std::array<const char*, 3>> rows) {
    std::string text = "  sl  local_address rem_address   st …\n";
    for (const auto& [local, remote, state] : rows) {
      absl::StrAppend(&text, "   0: ", local, " ", remote, " ", state,
                      " 00000000:00000000 00:00000000 00000000 0 0 4242 1 x\n");
    }
    Write("net/" + name, text);
  }
  std::string Page() const {
    return Doctor(config_, {.proc = proc_.string(),
                            .links = (proc_ / "links").string(),
                            .tables = tables_});
  }
  void Process(int number, const std::string& command,
               const std::string& title) {
    const std::string home = std::to_string(number);
    std::filesystem::create_directories(proc_ / home / "fd");
    Write(home + "/comm", command + "\n");
    Write(home + "/cmdline", title);
    std::filesystem::create_symlink("socket:[4242]", proc_ / home / "fd/3");
  }
  void Link(const std::string& name, const std::string& holds) {
    std::filesystem::create_directories(proc_ / "links" / name / holds);
  }
  void Port(const std::string& name, const std::string& bridge) {
    Link(name, "brport");
    std::filesystem::create_symlink("../" + bridge,
                                    proc_ / "links" / name / "master");
  }

  const std::filesystem::path proc_ = std::filesystem::temp_directory_path() /
                                      absl::StrCat("sluice-doctor-", getpid());
  AgentConfig config_;
  std::vector<OtherTable> tables_;
};

TEST_F(DoctorTest, OfAHostThatTalksToNobodySaysSo) {
  Table("tcp", {{"0B004D0A:B000", "01004D0A:1D13", "01"},    // management
                {"0100007F:1538", "0100007F:A000", "01"}});  // loopback
  EXPECT_THAT(Page(), AllOf(HasSubstr("Kept by agent.yaml: 1 connection."),
                            HasSubstr("Nothing else is connected"),
                            Not(HasSubstr("vital"))));
}

TEST_F(DoctorTest, FindsStorageWhicheverEndThisHostIs) {
  Table("tcp", {{"0B004D0A:B001", "03004D0A:0CBC", "01"},    // iSCSI, a client
                {"00000000:1E6C", "00000000:0000", "0A"},    // DRBD listens
                {"0B004D0A:1E6C", "0C004D0A:C000", "01"}});  // and serves
  const std::string page = Page();
  EXPECT_THAT(page, HasSubstr("vital:\n  - tcp 10.77.0.11 10.77.0.3 3260  "
                              "# iSCSI\n  - tcp 10.77.0.12 10.77.0.11 7788  "
                              "# DRBD\n"));
  // What is vital already is not told again.
  config_.vital = {*Flow::Parse("tcp 10.77.0.11 10.77.0.3 3260"),
                   *Flow::Parse("tcp 10.77.0.0/24 10.77.0.11 7788-7799")};
  EXPECT_THAT(Page(), AllOf(HasSubstr("Kept by agent.yaml: 2"),
                            Not(HasSubstr("iSCSI"))));
}

TEST_F(DoctorTest, FindsLoginsAndOthersAndDraftsNothingOfThem) {
  Table("tcp", {{"00000000:0016", "00000000:0000", "0A"},
                {"0B004D0A:0016", "63004D0A:C000", "01"},
                {"0B004D0A:B002", "6307E2C0:01BB", "01"}});
  EXPECT_THAT(Page(),
              AllOf(HasSubstr("Remote logins"),
                    HasSubstr("tcp 10.77.0.99 10.77.0.11 22\n    SSH"),
                    HasSubstr("Others:\n  tcp 10.77.0.11 192.226.7.99 443"),
                    Not(HasSubstr("vital:"))));
}

TEST_F(DoctorTest, FindsNetworkFileSystemsAndSilentClusters) {
  Write("mounts",
        "filer:/home /home nfs4 rw,addr=10.77.0.3 0 0\n"
        "/dev/sda1 / ext4 rw 0 0\n");
  Table("udp", {{"0B004D0A:151D", "00000000:0000", "07"}});
  EXPECT_THAT(Page(), AllOf(HasSubstr("/home  nfs4 from filer:/home"),
                            HasSubstr("Corosync waits on UDP port 5405"),
                            Not(HasSubstr("Nothing else"))));
}

TEST_F(DoctorTest, TellsReplicationByItsProcess) {
  Table("tcp", {{"0B004D0A:B001", "0C004D0A:1538", "01"}});
  EXPECT_THAT(Page(), Not(HasSubstr("vital:")));
  Process(812, "postgres", "postgres: main: app app 10.77.0.12 idle");
  EXPECT_THAT(Page(), Not(HasSubstr("vital:")));
  Write("812/cmdline", "postgres: main: walreceiver streaming 0/3000148");
  EXPECT_THAT(Page(), HasSubstr("- tcp 10.77.0.11 10.77.0.12 5432  "
                                "# PostgreSQL replication"));
}

TEST_F(DoctorTest, TellsADatabaseThatIsAClientFromItsClients) {
  Process(9, "mariadbd", "/usr/sbin/mariadbd");
  Table("tcp", {{"00000000:0CEA", "00000000:0000", "0A"},
                {"0B004D0A:0CEA", "0C004D0A:C000", "01"}});
  EXPECT_THAT(Page(), Not(HasSubstr("vital:")));
  Table("tcp", {{"0B004D0A:B001", "0C004D0A:0CEA", "01"}});
  EXPECT_THAT(Page(), HasSubstr("# MariaDB replication"));
}

TEST_F(DoctorTest, FindsALoginOnAnyPort) {
  Process(7, "sshd", "sshd: root@pts/0");
  Table("tcp", {{"00000000:08AE", "00000000:0000", "0A"},
                {"0B004D0A:08AE", "63004D0A:C000", "01"}});
  EXPECT_THAT(Page(), AllOf(HasSubstr("Remote logins"),
                            HasSubstr("tcp 10.77.0.99 10.77.0.11 2222")));
}

TEST_F(DoctorTest, FindsWhatNoFlowCanKeep) {
  Table("raw", {{"00000000:0070", "00000000:0000", "07"}});
  Table("udp", {{"0B004D0A:0044", "00000000:0000", "07"}});
  EXPECT_THAT(Page(), AllOf(HasSubstr("VRRP (keepalived)"),
                            HasSubstr("IP protocol 112, which no flow"),
                            HasSubstr("`udp HOST SERVER 67` vital")));
}

TEST_F(DoctorTest, NamesGuestsThatTheFenceCutsOrDoesNotSee) {
  Link("docker0", "bridge");
  Port("veth1", "docker0");
  Link("br0", "bridge");
  Link("eth0", "device");
  Port("eth0", "br0");
  Port("vnet0", "br0");
  Link("mv0", "x");
  Write("links/mv0/uevent", "DEVTYPE=macvlan\nINTERFACE=mv0\n");
  EXPECT_THAT(Page(),
              AllOf(HasSubstr("docker0 has 1 guest, which would be cut"),
                    HasSubstr("interior: [docker0]"),
                    HasSubstr("br0 joins eth0 with vnet0: those guests send"),
                    HasSubstr("mv0 (macvlan) shares a wire")));
  config_.interior = {"docker0"};
  EXPECT_THAT(Page(), Not(HasSubstr("docker0")));
}

TEST_F(DoctorTest, NamesTheOtherFirewalls) {
  tables_ = {{.name = "ip nat", .owner = "Docker", .nats = true}};
  Write("net/ip_tables_names", "filter\n");
  EXPECT_THAT(Page(),
              AllOf(HasSubstr("  ip nat (Docker): translates addresses\n"),
                    HasSubstr("  ip filter (iptables-legacy)\n")));
}

TEST_F(DoctorTest, ReadsIpv4InsideIpv6AsIpv4) {
  Table("tcp6", {{"0000000000000000FFFF00000B004D0A:B001",
                  "0000000000000000FFFF000003004D0A:0801", "01"},
                 {"short:1", "x", "01"}});
  EXPECT_THAT(Page(), HasSubstr("- tcp 10.77.0.11 10.77.0.3 2049  # NFS"));
}

}  // namespace
}  // namespace sluice::agent
