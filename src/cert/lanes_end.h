/* Undoes lanes.h, so that it can be included again. */
#undef LANES
#undef FN
#undef TARGET
#undef V
#undef LOAD
#undef STORE
#undef LOADF
#undef STOREF
#undef SET1
#undef FMA
#undef MIN
#undef MAX
#undef ABS
#undef NEGATIVE
#undef CHOOSE
