# SPDX-License-Identifier: Apache-2.0
# The smallest that is of use: exact forwarding of IPv4 connections, nothing rewritten, no copies.
match   = in_port eth_dst eth_type ipv4_src ipv4_dst ip_proto tp_src tp_dst
set     =
actions = output
mat     = 256 4 clock
