/*
 * CLONES before a function: compiled, vectorised, for several instruction sets, the best chosen at
 * load. All give the same bits (no contraction, no reordering: see the Makefile). Sanitizers cannot
 * start programs that choose so, and clang builds the fuzzers only.
 */
#ifndef NN_CLONES_H
#define NN_CLONES_H

#if defined(__x86_64__) && !defined(__clang__) && !defined(__SANITIZE_ADDRESS__) &&                \
	!defined(__SANITIZE_THREAD__)
#define CLONES                                                                                     \
	__attribute__((                                                                            \
		optimize("O3"), target_clones("arch=x86-64-v4", "arch=x86-64-v3", "default")))
#else
#define CLONES
#endif

#endif
