/* SPDX-License-Identifier: Apache-2.0 */
/* Criterion under ThreadSanitizer (linked into tests built with SAN=thread, nothing else).
 *
 * Criterion's BoxFort maps its arena at 0x200000000000 + (rand_r() & 0x3fffff) * 16 MiB. Nearly all of that
 * is shadow memory under ThreadSanitizer, whose mmap() then fails. This rand_r() shadows libc's for the
 * program and keeps the arena within 0x560000000000...0x563fff000000, which ThreadSanitizer leaves to
 * applications.
 */
int rand_r(unsigned int *seed);

int rand_r(unsigned int *seed)
{
	*seed = *seed * 1103515245u + 12345u;
	return 0x360000 + (int)(*seed >> 12 & 0x3fff);
}
