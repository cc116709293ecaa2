# SPDX-License-Identifier: Apache-2.0
# A NIC with a fixed parser, Ethernet to TCP/UDP: no registers, metadata, tunnels, ARP/ND payload, inner
# tags or IPv6 flow labels. It rewrites addresses and ports and handles one VLAN tag.
match   = in_port eth_dst eth_src eth_type vlan_tci vlan_tpid
match   = ipv4_src ipv4_dst ipv6_src ipv6_dst ip_proto ip_frag ip_tos ip_ttl tp_src tp_dst tcp_flags
set     = eth_dst eth_src vlan_tci ipv4_src ipv4_dst ipv6_src ipv6_dst ip_tos ip_ttl tp_src tp_dst
actions = output in_port flood all set_field push_vlan pop_vlan dec_ttl goto_table
mat     = 4096 8 lru
