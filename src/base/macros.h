/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * The few language extensions the project allows itself: cleanup attributes, typed min and max,
 * and attributes that make the compiler check what a comment would only ask for.
 */

#include <assert.h>
#include <stddef.h>
#include <stdint.h>

#define MUST_CHECK			__attribute__((warn_unused_result))
#define PRINTF_LIKE(fmt, first)		__attribute__((format(printf, fmt, first)))
#define _cleanup_(func)			__attribute__((cleanup(func)))
#define ARRAY_SIZE(array)		(sizeof(array) / sizeof((array)[0]))
#define CONTAINER_OF(ptr, type, member) ((type *)(void *)((char *)(ptr)-offsetof(type, member)))

/* Hands ownership over: yields the pointer and leaves NULL behind. */
#define TAKE_PTR(ptr)                                                                              \
	({                                                                                         \
		typeof(ptr) *take_ptr_ = &(ptr);                                                   \
		typeof(ptr) taken_ = *take_ptr_;                                                   \
		*take_ptr_ = NULL;                                                                 \
		taken_;                                                                            \
	})

#define MIN(a, b)                                                                                  \
	({                                                                                         \
		typeof(a) min_a_ = (a);                                                            \
		typeof(b) min_b_ = (b);                                                            \
		min_a_ < min_b_ ? min_a_ : min_b_;                                                 \
	})

#define MAX(a, b)                                                                                  \
	({                                                                                         \
		typeof(a) max_a_ = (a);                                                            \
		typeof(b) max_b_ = (b);                                                            \
		max_a_ > max_b_ ? max_a_ : max_b_;                                                 \
	})

/*
 * Defines func##p() for use as _cleanup_(func##p) on a local of the pointer type 'type'. 'func'
 * takes NULL.
 */
#define CLEANUP_FUNC(type, func)                                                                   \
	static inline void func##p(type *p)                                                        \
	{                                                                                          \
		if (*p)                                                                            \
			(void)func(*p);                                                            \
	}                                                                                          \
	struct macros_semicolon_eater_

/* The same for an embedded struct with a deinit function. */
#define CLEANUP_DEINIT(type, func)                                                                 \
	static inline void func##p(type *p)                                                        \
	{                                                                                          \
		func(p);                                                                           \
	}                                                                                          \
	struct macros_semicolon_eater_
