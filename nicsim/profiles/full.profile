# SPDX-License-Identifier: Apache-2.0
# Hardware that can do everything that this release knows.
match   = all
set     = all
actions = all
mat     = 4096 8 lru
