// Small estates for the engine's tests.

#pragma once

namespace sluice::testing {

// directory ← database ← billing ← {portal, reporting}; citizens come in last.
inline constexpr char kUtility[] = R"(
sluice: 1
estate: utility
management: {orchestrators: ["10.0.0.1:7443"], operators: [10.0.0.0/28]}
approvers:
  duty-commander: {roles: [incident-commander]}
  second-commander: {roles: [incident-commander]}
  billing-owner: {roles: [system-owner]}
hosts:
  dir-1: {address: [10.0.1.1]}
  db-1: {address: [10.0.1.2]}
  app-1: {address: [10.0.1.3]}
  web-1: {address: [10.0.1.4]}
  rep-1: {address: [10.0.1.5]}
externals:
  citizens: {address: [0.0.0.0/0]}
systems:
  directory:
    category: foundation
    hosts: [dir-1]
    ports: {ldap: 389/tcp}
    health: [{tcp: ldap}]
    soak: 10s
  database:
    category: billing
    hosts: [db-1]
    ports: {postgres: 5432/tcp}
    needs: [directory:ldap]
    inspect: [{listeners: declared-only}]
    health: [{tcp: postgres}]
    soak: 10s
  billing:
    category: billing
    hosts: [app-1]
    ports: {http: 8080/tcp}
    needs: [database:postgres]
    inspect: [{listeners: declared-only}]
    health: [{tcp: http}]
    soak: 10s
  portal:
    category: commercial
    hosts: [web-1]
    ports: {https: 443/tcp}
    needs: [billing:http]
    serves: [{external: citizens, port: https}]
    health: [{tcp: https}]
    soak: 10s
  reporting:
    category: information
    hosts: [rep-1]
    ports: {http: 8080/tcp}
    needs: [{billing:http: soft}, directory:ldap]
    health: [{tcp: http}]
    soak: 10s
stages:
  - name: foundations
    systems: [directory, database]
    gate: {approvals: {incident-commander: 1}, timeout: 30m}
  - name: applications
    systems: [billing, portal, reporting]
    gate: {approvals: {incident-commander: 1, system-owner: 1}, timeout: 30m}
  - name: outside
    flows: [{external: citizens}]
    gate: {approvals: {incident-commander: 1}, timeout: 30m}
)";

}  // namespace sluice::testing
