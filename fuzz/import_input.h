/*
 * import_input.h - a text for `levin import` as an input of fuzz_import.
 *
 *   byte 0   format (modulo 3): 0 deb822, 1 tsv, 2 ndjson
 *   byte 1   options, by format (modulo 4):
 *              deb822: 0, 1 none; 2 --key Package,Version; 3 --value Version
 *              tsv:    0, 1 none; 2 --key-column 2 --value-column 1; 3 --key-column 2 --value-column 2
 *              ndjson: 0, 1 none; 2 --key a --value b; 3 --whole
 *   byte 2   0: the text is read in one piece, otherwise so many bytes at a time
 *   then the text, at most IMPORT_TEXT_MAX; what stands behind it is left out
 */
#ifndef LEVIN_FUZZ_IMPORT_INPUT_H
#define LEVIN_FUZZ_IMPORT_INPUT_H

enum { IMPORT_FORMAT = 0, IMPORT_OPTIONS = 1, IMPORT_PIECE = 2, IMPORT_HEADER_BYTES = 3, IMPORT_TEXT_MAX = 4096 };
enum { IMPORT_DEB822 = 0, IMPORT_TSV = 1, IMPORT_NDJSON = 2, IMPORT_FORMATS = 3, IMPORT_CHOICES = 4 };

#endif
