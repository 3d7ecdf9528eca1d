/*
 * quiet_end.h - ends what quiet_begin.h began.
 */
#pragma pop_macro("atomic_load_explicit")
#pragma pop_macro("atomic_store_explicit")
#pragma pop_macro("atomic_fetch_add_explicit")
#pragma pop_macro("atomic_compare_exchange_strong_explicit")
