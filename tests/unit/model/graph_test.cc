#include "orchestrator/model/graph.h"

#include <random>
#include <string>

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace sluice {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

// Systems by name in order, needs as {client, server}: hard ones, or soft.
struct Edge {
  std::string client;
  std::string server;
  Strength strength = Strength::kHard;
};

Model MakeModel(const std::vector<std::string>& names,
                const std::vector<Edge>& edges) {
  Model model;
  for (const std::string& name : names) {
    System system;
    system.id = SystemId(name);
    for (const Edge& edge : edges) {
      if (edge.client != name) continue;
      Need need;
      need.system = SystemId(edge.server);
      need.strength = edge.strength;
      system.needs.push_back(need);
    }
    model.systems.push_back(system);
  }
  return model;
}

std::vector<std::string> Names(const Model& model,
                               const std::vector<int>& indices) {
  std::vector<std::string> names;
  for (const int i : indices) names.push_back(model.systems[i].id.str());
  return names;
}

TEST(Graph, PutsWhatIsNeededFirst) {
  const Model model =
      MakeModel({"a", "b", "c"}, {{"a", "b"}, {"b", "c"}, {"a", "c"}});
  EXPECT_THAT(Names(model, DependencyGraph(model).Order()),
              ElementsAre("c", "b", "a"));
}

TEST(Graph, BreaksTiesByPriorityThenById) {
  Model model = MakeModel({"a", "b", "c", "d"}, {});
  model.systems[2].priority = Priority::kHigh;
  model.systems[0].priority = Priority::kLow;
  EXPECT_THAT(Names(model, DependencyGraph(model).Order()),
              ElementsAre("c", "b", "d", "a"));
}

TEST(Graph, LetsSoftNeedsOrderNothing) {
  const Model model =
      MakeModel({"a", "b"}, {{"a", "b", Strength::kSoft}, {"b", "a"}});
  const DependencyGraph graph(model);
  EXPECT_THAT(graph.ShortestCycle(), IsEmpty());
  EXPECT_THAT(Names(model, graph.Order()), ElementsAre("a", "b"));
}

TEST(Graph, FindsTheShortestOfTwoCycles) {
  const Model model = MakeModel(
      {"a", "b", "c", "d", "e"},
      {{"a", "b"}, {"b", "c"}, {"c", "a"}, {"c", "d"}, {"d", "c"}, {"e", "a"}});
  const auto cycle = DependencyGraph(model).ShortestCycle();
  ASSERT_EQ(cycle.size(), 2u);
  EXPECT_EQ(model.systems[cycle[0].system].id.str(), "c");
  EXPECT_EQ(model.systems[cycle[0].system].needs[cycle[0].need].system.str(),
            "d");
  EXPECT_EQ(model.systems[cycle[1].system].id.str(), "d");
}

TEST(Graph, TakesANeedOfOneselfForACycleOfOne) {
  const Model model = MakeModel({"a", "b"}, {{"b", "b"}, {"a", "b"}});
  EXPECT_EQ(DependencyGraph(model).ShortestCycle().size(), 1u);
}

TEST(Graph, CountsAJointGroupAsOne) {
  Model model = MakeModel({"a", "b", "c", "d"},
                          {{"a", "b"}, {"b", "a"}, {"b", "c"}, {"d", "a"}});
  model.joint.push_back({{SystemId("a"), SystemId("b")}, {}});
  const DependencyGraph graph(model);
  EXPECT_THAT(graph.ShortestCycle(), IsEmpty());
  EXPECT_THAT(Names(model, graph.Order()), ElementsAre("c", "a", "b", "d"));
  // a waits for what b needs.
  EXPECT_THAT(Names(model, graph.Foundations(0)), ElementsAre("b", "c"));
  EXPECT_THAT(Names(model, graph.BlastRadius(2)), ElementsAre("a", "b", "d"));
}

TEST(Graph, SeesACycleThroughAJointGroup) {
  Model model = MakeModel({"a", "b", "c"}, {{"a", "c"}, {"c", "b"}});
  model.joint.push_back({{SystemId("a"), SystemId("b")}, {}});
  EXPECT_EQ(DependencyGraph(model).ShortestCycle().size(), 2u);
}

TEST(Graph, LeavesOutNeedsOfSystemsThatDoNotExist) {
  const Model model = MakeModel({"a"}, {{"a", "ghost"}});
  EXPECT_THAT(Names(model, DependencyGraph(model).Order()), ElementsAre("a"));
}

TEST(Graph, NamesThePointsThatEveryChainRunsThrough) {
  // Diamond on a stem: d needs b and c, both need a, a needs root.
  const Model model = MakeModel(
      {"a", "b", "c", "d", "root"},
      {{"d", "b"}, {"d", "c"}, {"b", "a"}, {"c", "a"}, {"a", "root"}});
  const DependencyGraph graph(model);
  EXPECT_THAT(Names(model, graph.Dominators(3)), ElementsAre("a", "root"));
  EXPECT_THAT(Names(model, graph.Dominators(4)), IsEmpty());
}

TEST(Graph, HasNoSuchPointWhereChainsEndApart) {
  const Model model = MakeModel({"a", "b", "c"}, {{"a", "b"}, {"a", "c"}});
  EXPECT_THAT(DependencyGraph(model).Dominators(0), IsEmpty());
}

TEST(Graph, FindsTheHeaviestChain) {
  const Model model = MakeModel(
      {"a", "b", "c", "d"}, {{"a", "b"}, {"a", "c"}, {"b", "d"}, {"c", "d"}});
  EXPECT_THAT(Names(model, DependencyGraph(model).CriticalPath({1, 2, 5, 3})),
              ElementsAre("d", "c", "a"));
}

TEST(Graph, OrdersAnyGraphWithoutCyclesNeedsFirst) {
  std::mt19937 random(7);
  for (int round = 0; round < 50; ++round) {
    const int n = 1 + static_cast<int>(random() % 40);
    std::vector<std::string> names;
    for (int i = 0; i < n; ++i) {
      names.push_back(std::string("s") + static_cast<char>('0' + i / 10) +
                      static_cast<char>('0' + i % 10));
    }
    std::vector<int> rank(n);
    for (int i = 0; i < n; ++i) rank[i] = i;
    std::shuffle(rank.begin(), rank.end(), random);
    std::vector<Edge> edges;
    for (int e = 0; e < 3 * n; ++e) {
      const int a = static_cast<int>(random() % n);
      const int b = static_cast<int>(random() % n);
      if (rank[a] < rank[b]) edges.push_back({names[a], names[b]});
    }
    const Model model = MakeModel(names, edges);
    const DependencyGraph graph(model);
    ASSERT_THAT(graph.ShortestCycle(), IsEmpty());
    std::vector<int> at(n);
    const std::vector<int> order = graph.Order();
    ASSERT_EQ(order.size(), names.size());
    for (int i = 0; i < n; ++i) at[order[i]] = i;
    for (int i = 0; i < n; ++i) {
      for (const Need& need : model.systems[i].needs) {
        const System* target = model.FindSystem(need.system);
        EXPECT_LT(at[target - model.systems.data()], at[i]);
      }
    }
  }
}

}  // namespace
}  // namespace sluice
